import { identityClient } from "@/lib/auth/server";
import { safeNextPath } from "@/lib/security/next-path";

/** The gateway refused the session although its token looked valid: drop it and sign in again. */
export async function GET(request: Request): Promise<Response> {
  const client = await identityClient();
  await client.auth.signOut({ scope: "local" });
  const next = safeNextPath(new URL(request.url).searchParams.get("next"));
  return new Response(null, {
    status: 303,
    headers: { location: `/login?next=${encodeURIComponent(next)}`, "cache-control": "no-store" },
  });
}
