/** The page to return to after signing in: a path of this site, or the jobs. */
export function safeNextPath(value: string | null | undefined): string {
  const fallback = "/jobs";
  if (!value?.startsWith("/") || value.includes("\\")) return fallback;
  try {
    // "//host" and "/\t/host" are addresses of other sites to a browser.
    const base = "http://this.site";
    const url = new URL(value, base);
    if (url.origin !== base || url.pathname.startsWith("//")) return fallback;
    if (url.pathname === "/login" || url.pathname.startsWith("/api/")) return fallback;
    return url.pathname + url.search + url.hash;
  } catch {
    return fallback;
  }
}
