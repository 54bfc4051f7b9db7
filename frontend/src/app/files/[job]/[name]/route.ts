import { accessToken } from "@/lib/auth/server";
import { problem } from "@/lib/bff/forward";
import { serverConfig } from "@/lib/config/server";

export const dynamic = "force-dynamic";

/** Types that a page of ours may show; everything else is only ever downloaded. */
const SHOWN = new Set(["image/png", "image/jpeg", "image/webp", "application/pdf"]);

/**
 * A file of a job from our own origin. The gateway answers with a link that needs no credentials; it
 * is followed here, so that the page loads nothing from elsewhere and the link stays out of it. The
 * content comes from pages that were visited, so it may never run as a page of ours.
 */
export async function GET(request: Request, context: RouteContext<"/files/[job]/[name]">) {
  const { job, name } = await context.params;
  const token = await accessToken();
  if (!token) return problem(401, "unauthenticated", "Signed out", "Your session has ended.");
  const path = `/api/v1/jobs/${encodeURIComponent(job)}/artifacts/${encodeURIComponent(name)}`;
  const link = await fetch(new URL(path, serverConfig().GATEWAY_URL), {
    headers: { authorization: `Bearer ${token}` },
    redirect: "manual",
    cache: "no-store",
    signal: request.signal,
  });
  const location = link.headers.get("location");
  if (link.status !== 302 || !location) {
    const type = link.headers.get("content-type") ?? "application/problem+json";
    return new Response(link.body, { status: link.status, headers: { "content-type": type } });
  }
  const file = await fetch(location, { cache: "no-store", signal: request.signal });
  if (!file.ok) return problem(502, "unavailable", "Not available", "The file cannot be read.");
  return new Response(file.body, { headers: buildHeaders(file.headers, name) });
}

function buildHeaders(given: Headers, name: string): Headers {
  const type = (given.get("content-type") ?? "").split(";")[0]?.trim() ?? "";
  const isShown = SHOWN.has(type);
  const headers = new Headers({
    "content-type": isShown ? type : "application/octet-stream",
    "content-disposition": `${isShown ? "inline" : "attachment"}; filename="${name.replace(/[^\w.-]/g, "_")}"`,
    "content-security-policy": "default-src 'none'; sandbox",
    "x-content-type-options": "nosniff",
    "cache-control": "private, no-store",
  });
  const length = given.get("content-length");
  if (length && !given.get("content-encoding")) headers.set("content-length", length);
  return headers;
}
