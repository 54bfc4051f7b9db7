import createClient, { type Middleware } from "openapi-fetch";
import { ApiError, errorOf, unreachable } from "./problems";
import type { paths } from "./schema";

/**
 * The gateway's API as the browser sees it: same origin, the session cookie instead of a token.
 * Every call either returns data or throws an ApiError.
 */

const throwProblems: Middleware = {
  async onResponse({ response }) {
    if (!response.ok && response.status !== 304) throw await errorOf(response);
    return undefined;
  },
  onError({ error }) {
    if (error instanceof ApiError) return error;
    if (error instanceof DOMException && error.name === "AbortError") return error;
    return unreachable();
  },
};

export const api = createClient<paths>({
  baseUrl: "/api/v1",
  // Looked up at each call, so that a test may replace it.
  fetch: (request) => globalThis.fetch(request),
});
api.use(throwProblems);

/** The data of an answer. Errors were thrown before, so data is there unless the status has none. */
export async function read<Data>(answer: Promise<{ data?: Data }>): Promise<Data> {
  const { data } = await answer;
  if (data === undefined) throw unreachable();
  return data;
}
