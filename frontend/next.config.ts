import type { NextConfig } from "next";

/** One image for all environments: nothing of the environment is read here, only at run time. */
const config: NextConfig = {
  output: "standalone",
  poweredByHeader: false,
  reactStrictMode: true,
  devIndicators: false,
  turbopack: { root: import.meta.dirname },
  outputFileTracingRoot: import.meta.dirname,
  allowedDevOrigins: ["127.0.0.1", "localhost"],
};

export default config;
