import "server-only";
import type { CookieOptionsWithName } from "@supabase/ssr";
import { cookiesAreSecure } from "@/lib/config/server";

/** The session's cookie: scripts cannot read it, so no script can leak a token. */
export function sessionCookie(): CookieOptionsWithName {
  return {
    name: "session",
    path: "/",
    httpOnly: true,
    secure: cookiesAreSecure(),
    sameSite: "lax",
  };
}
