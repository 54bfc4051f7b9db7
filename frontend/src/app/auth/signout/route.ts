import { identityClient } from "@/lib/auth/server";
import { isForged } from "@/lib/bff/forward";

/** Ends this session. The browser forgets everything that the dashboard stored for the user. */
export async function POST(request: Request): Promise<Response> {
  if (isForged(request)) return new Response(null, { status: 403 });
  const client = await identityClient();
  await client.auth.signOut({ scope: "local" });
  return new Response(null, {
    status: 303,
    headers: { location: "/login", "clear-site-data": '"cache", "storage"' },
  });
}
