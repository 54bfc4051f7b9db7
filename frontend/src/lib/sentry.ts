/**
 * Errors of the browser go to Sentry if a DSN is configured; without one its code is never loaded.
 * Nothing personal is sent: no cookies, bodies, user or address, and URLs without their query.
 */

type Event = {
  request?: {
    url?: string;
    query_string?: unknown;
    cookies?: unknown;
    headers?: unknown;
    data?: unknown;
  };
  user?: unknown;
  breadcrumbs?: { message?: string; data?: Record<string, unknown> }[];
};

function withoutQuery(url: string): string {
  return url.split(/[?#]/)[0] ?? "";
}

export function scrub<E extends Event>(event: E): E {
  delete event.user;
  if (event.request) event.request = { url: withoutQuery(event.request.url ?? "") };
  for (const crumb of event.breadcrumbs ?? []) {
    delete crumb.message;
    const url = crumb.data?.url;
    crumb.data = typeof url === "string" ? { url: withoutQuery(url) } : {};
  }
  return event;
}

let capture: ((error: unknown) => void) | undefined;

export async function startSentry(options: {
  dsn: string | null;
  environment: string;
  release: string;
}) {
  const { dsn, environment, release } = options;
  if (!dsn || capture) return;
  const sentry = await import("@sentry/nextjs");
  sentry.init({
    dsn,
    environment,
    release,
    tracesSampleRate: 0,
    beforeSend: (event) => scrub(event),
  });
  capture = (error) => {
    const correlation =
      typeof error === "object" && error !== null && "correlationId" in error
        ? String(error.correlationId)
        : undefined;
    sentry.captureException(
      error,
      correlation ? { tags: { correlation_id: correlation } } : undefined,
    );
  };
}

export function report(error: unknown): void {
  capture?.(error);
}
