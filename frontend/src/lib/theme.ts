export const THEMES = ["dark", "light"] as const;
export type Theme = (typeof THEMES)[number];

/** The theme is a cookie: the server draws the right one at once, without a script. */
export function readTheme(value: string | undefined): Theme {
  return value === "light" ? "light" : "dark";
}

export function rememberTheme(theme: Theme): void {
  document.documentElement.dataset.theme = theme;
  // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is not in every browser
  document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax`;
}
