import { identityClient } from "@/lib/auth/server";
import { safeNextPath } from "@/lib/security/next-path";

/** Where the link of a message leads: its code becomes the session, in the browser that asked. */
export async function GET(request: Request): Promise<Response> {
  const { searchParams } = new URL(request.url);
  const code = searchParams.get("code");
  const client = await identityClient();
  const isValid = code !== null && (await client.auth.exchangeCodeForSession(code)).error === null;
  const location = isValid ? safeNextPath(searchParams.get("next")) : "/login?problem=link";
  return new Response(null, { status: 303, headers: { location, "cache-control": "no-store" } });
}
