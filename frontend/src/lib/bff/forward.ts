import "server-only";

/**
 * The browser's way to the gateway: same origin, the session's cookie becomes a bearer token here,
 * so that no script ever holds one. What is not named below does not pass.
 */

const REQUEST_HEADERS = [
  "accept",
  "accept-language",
  "content-type",
  "idempotency-key",
  "if-none-match",
  "last-event-id",
  "x-client",
  "x-correlation-id",
  "x-feature-flag",
];

const RESPONSE_HEADERS = [
  "cache-control",
  "content-disposition",
  "content-language",
  "content-type",
  "etag",
  "idempotent-replayed",
  "location",
  "ratelimit-limit",
  "ratelimit-remaining",
  "ratelimit-reset",
  "retry-after",
  "x-correlation-id",
];

/** The gateway's own limit; a larger body is refused before it is read into memory. */
const MAX_BODY_BYTES = 256 * 1024;

const SAFE_METHODS = new Set(["GET", "HEAD"]);

function pick(source: Headers, names: readonly string[]): Headers {
  const picked = new Headers();
  for (const name of names) {
    const value = source.get(name);
    if (value !== null) picked.set(name, value);
  }
  return picked;
}

/** A change has to come from a page of this site: its cookie would travel with any other too. */
export function isForged(request: Request): boolean {
  if (SAFE_METHODS.has(request.method)) return false;
  const site = request.headers.get("sec-fetch-site");
  if (site) return site !== "same-origin";
  const origin = request.headers.get("origin");
  // A page without an origin of its own sends the word "null", which is no address.
  return !origin || !URL.canParse(origin) || new URL(origin).host !== request.headers.get("host");
}

export function problem(status: number, code: string, title: string, detail: string): Response {
  const body = {
    type: `/problems/${code}`,
    title,
    status,
    detail,
    instance: "",
    code,
    correlation_id: null,
    retryable: status >= 500,
    human_readable_cause: detail,
    suggested_action: status === 401 ? "Sign in." : "Try again.",
    errors: [],
  };
  return Response.json(body, {
    status,
    headers: { "content-type": "application/problem+json", "cache-control": "no-store" },
  });
}

type Target = {
  gateway: string;
  path: string;
  token: string | null;
  /** The language of the page, so that problems come in it too. */
  language?: string;
};

export async function forward(
  request: Request,
  { gateway, path, token, language }: Target,
): Promise<Response> {
  if (isForged(request)) {
    return problem(403, "forbidden", "Not allowed", "The request came from another site.");
  }
  if (Number(request.headers.get("content-length")) > MAX_BODY_BYTES) {
    return problem(413, "payload_too_large", "Too large", "The request is larger than 256 KiB.");
  }
  if (!token) {
    return problem(401, "unauthenticated", "Signed out", "Your session has ended.");
  }
  const headers = pick(request.headers, REQUEST_HEADERS);
  headers.set("authorization", `Bearer ${token}`);
  if (language) headers.set("accept-language", language);
  const target = new URL(`/api/v1/${path}`, gateway);
  target.search = new URL(request.url).search;
  let answer: Response;
  try {
    answer = await fetch(target, {
      method: request.method,
      headers,
      body: SAFE_METHODS.has(request.method) ? null : await request.arrayBuffer(),
      signal: request.signal,
      redirect: "manual",
      cache: "no-store",
    });
  } catch (error) {
    if (request.signal.aborted) throw error;
    return problem(503, "unavailable", "Not available", "The gateway does not answer.");
  }
  const kept = pick(answer.headers, RESPONSE_HEADERS);
  if (answer.headers.get("content-type")?.startsWith("text/event-stream")) {
    // Compression would hold events back until a block is full.
    kept.set("cache-control", "no-store, no-transform");
    kept.set("x-accel-buffering", "no");
  } else if (!kept.has("cache-control")) {
    kept.set("cache-control", "private, no-store");
  }
  return new Response(answer.body, { status: answer.status, headers: kept });
}
