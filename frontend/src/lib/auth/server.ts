import "server-only";
import { createServerClient } from "@supabase/ssr";
import { cookies } from "next/headers";
import { cache } from "react";
import { serverConfig } from "@/lib/config/server";
import { sessionCookie } from "./cookies";

/** The identity's client for a page, an action or a route. There is none in the browser. */
export async function identityClient() {
  const jar = await cookies();
  const config = serverConfig();
  return createServerClient(config.SUPABASE_URL, config.SUPABASE_ANON_KEY, {
    cookieOptions: sessionCookie(),
    cookies: {
      getAll: () => jar.getAll(),
      setAll(changed) {
        try {
          for (const { name, value, options } of changed) jar.set(name, value, options);
        } catch {
          // A page cannot set cookies; the proxy has refreshed the session before it.
        }
      },
    },
  });
}

/** The access token of this request; the gateway verifies it. */
export const accessToken = cache(async (): Promise<string | null> => {
  const client = await identityClient();
  const { data } = await client.auth.getSession();
  return data.session?.access_token ?? null;
});
