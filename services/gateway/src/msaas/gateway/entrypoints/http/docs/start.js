// Everything comes from this host: no fonts, no proxy, no telemetry of anybody else.
Scalar.createApiReference("#app", {
  url: "/docs/openapi.json",
  withDefaultFonts: false,
  telemetry: false,
  hideClientButton: true,
  agent: { disabled: true },
  mcp: { disabled: true },
  showDeveloperTools: "never",
  persistAuth: false,
});
