import type { components } from "./schema";

export type Problem = components["schemas"]["Problem"];
export type QuotaProblem = components["schemas"]["QuotaProblem"];

/** A refusal of the gateway, or no answer at all (`status` 0). */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly status: number,
    readonly problem: Problem | null,
    readonly correlationId: string | null,
    /** Seconds until the request may be repeated. */
    readonly retryAfter: number | null,
  ) {
    super(problem?.title ?? `HTTP ${status}`);
  }

  get code(): string {
    return this.problem?.code ?? (this.status === 0 ? "unreachable" : "unknown");
  }

  get retryable(): boolean {
    return this.problem?.retryable ?? (this.status === 0 || this.status >= 500);
  }

  get quota(): QuotaProblem | null {
    const problem = this.problem;
    return this.status === 402 && problem && "resets_at" in problem
      ? (problem as QuotaProblem)
      : null;
  }

  /** The message of each field, by its JSON pointer: `/params/url`. */
  get fieldErrors(): ReadonlyMap<string, string> {
    return new Map(this.problem?.errors.map((each) => [each.pointer, each.detail]));
  }
}

export function unreachable(): ApiError {
  return new ApiError(0, null, null, null);
}

function isProblem(value: unknown): value is Problem {
  return typeof value === "object" && value !== null && "code" in value && "title" in value;
}

export async function errorOf(response: Response): Promise<ApiError> {
  let body: unknown = null;
  try {
    body = await response.clone().json();
  } catch {
    // Something in front of the gateway answered: the status has to do.
  }
  const after = Number(response.headers.get("retry-after"));
  return new ApiError(
    response.status,
    isProblem(body) ? body : null,
    response.headers.get("x-correlation-id"),
    Number.isFinite(after) && after > 0 ? after : null,
  );
}
