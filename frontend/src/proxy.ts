import { createServerClient } from "@supabase/ssr";
import { type NextRequest, NextResponse } from "next/server";
import { sessionCookie } from "@/lib/auth/cookies";
import { cookiesAreSecure, serverConfig } from "@/lib/config/server";
import { contentSecurityPolicy, securityHeaders } from "@/lib/security/headers";

/** Runs before every page and API call: refreshes the session, guards pages, sets the headers. */

const PUBLIC_PAGES = new Set(["/login", "/signup", "/reset", "/link"]);

type SetCookie = {
  name: string;
  value: string;
  options: Parameters<NextResponse["cookies"]["set"]>[2];
};

async function readSession(request: NextRequest) {
  const config = serverConfig();
  const changed: SetCookie[] = [];
  const client = createServerClient(config.SUPABASE_URL, config.SUPABASE_ANON_KEY, {
    cookieOptions: sessionCookie(),
    cookies: {
      getAll: () => request.cookies.getAll(),
      setAll(cookies) {
        for (const { name, value, options } of cookies) {
          // The page behind this proxy has to see the refreshed session as well.
          request.cookies.set(name, value);
          changed.push({ name, value, options });
        }
      },
    },
  });
  const { data } = await client.auth.getClaims();
  return { signedIn: Boolean(data?.claims.sub), changed };
}

export async function proxy(request: NextRequest): Promise<NextResponse> {
  const { pathname, search } = request.nextUrl;
  const development = process.env.NODE_ENV === "development";
  const nonce = Buffer.from(crypto.randomUUID()).toString("base64");
  const csp = contentSecurityPolicy(nonce, { development });
  const { signedIn, changed } = await readSession(request);

  const isApi = pathname.startsWith("/api/");
  const isAuthRoute = pathname.startsWith("/auth/");
  const isPublic = PUBLIC_PAGES.has(pathname);
  const finish = (response: NextResponse) => {
    for (const { name, value, options } of changed) response.cookies.set(name, value, options);
    const headers = securityHeaders(csp, { secure: cookiesAreSecure() });
    for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
    if (changed.length > 0) response.headers.set("cache-control", "private, no-store");
    return response;
  };

  if (!signedIn && !isApi && !isAuthRoute && !isPublic) {
    const target = new URL("/login", request.nextUrl);
    if (pathname !== "/") target.searchParams.set("next", pathname + search);
    return finish(NextResponse.redirect(target));
  }
  if (signedIn && isPublic) return finish(NextResponse.redirect(new URL("/jobs", request.nextUrl)));

  const headers = new Headers(request.headers);
  headers.set("x-nonce", nonce);
  headers.set("x-path", pathname + search);
  // Next takes the nonce for its own scripts from here.
  headers.set("content-security-policy", csp);
  return finish(NextResponse.next({ request: { headers } }));
}

export const config = {
  matcher: [
    "/((?!_next/static|_next/image|api/health|favicon.ico|icon.svg|.*\\.(?:svg|png|webp|woff2|txt)$).*)",
  ],
};
