import { serverConfig } from "@/lib/config/server";

/** The process serves; whether the gateway does is its own health. `release` tells old pages. */
export function GET(): Response {
  return Response.json(
    { status: "ok", release: serverConfig().NEXT_PUBLIC_RELEASE },
    { headers: { "cache-control": "no-store" } },
  );
}
