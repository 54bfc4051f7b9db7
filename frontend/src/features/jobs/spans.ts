import type { components } from "@/lib/api/schema";
import type { JobRow } from "@/lib/store/rows";

export type Happening = components["schemas"]["Happening"];

export interface Span {
  /** Stands in the address: `?span=attempt-2.goto`. */
  readonly id: string;
  readonly kind: "wait" | "attempt" | "step" | "charge";
  readonly depth: 0 | 1;
  /** Milliseconds since the submission. */
  readonly start: number;
  /** Undefined while it lasts. */
  readonly end: number | undefined;
  readonly tone: "idle" | "run" | "ok" | "bad" | "accent";
  /** The attempt, counted from 1; undefined for what belongs to no attempt. */
  readonly attempt: number | undefined;
  /** The step's name, or the limit that was waited for. */
  readonly name: string | undefined;
  readonly reason: string | undefined;
  readonly error: string | undefined;
  readonly outcome: string | undefined;
  /** For a charge: the number of the usage event. */
  readonly sequence: number | undefined;
}

/** A shorter wait for a worker is not worth a row. */
const PICKUP_FROM_MS = 50;

const NOTHING = {
  attempt: undefined,
  name: undefined,
  reason: undefined,
  error: undefined,
  outcome: undefined,
  sequence: undefined,
};

/** The timeline of a job as spans on one axis. */
export function buildSpans(row: JobRow, items: readonly Happening[]): Span[] {
  return new SpanBuilder(row, items).build();
}

class SpanBuilder {
  private readonly origin: number;
  private readonly spans: Span[] = [];
  private freeSince: number;
  private runs = 0;

  constructor(
    private readonly row: JobRow,
    private readonly items: readonly Happening[],
  ) {
    this.origin = Date.parse(row.created_at);
    this.freeSince = 0;
  }

  build(): Span[] {
    this.items.forEach((item, at) => {
      if (item.kind === "dispatched") this.addRun(item, at);
      if (item.kind === "charged") this.addCharge(item);
    });
    if (this.row.status === "PENDING") this.addOpenWait();
    return this.spans;
  }

  private addRun(item: Happening, at: number): void {
    this.runs += 1;
    const attempt = this.runs;
    const dispatched = this.since(item);
    const rest = this.items.slice(at + 1);
    const next = rest.findIndex((each) => each.kind === "dispatched");
    const own = (next < 0 ? rest : rest.slice(0, next)).filter((e) => e.attempt === item.attempt);
    const started = own.find((each) => each.kind === "started");
    const ended = own.find((each) => each.kind === "attempt_ended");
    this.addWait(attempt, dispatched, item);
    const start = dispatched;
    const end = ended && this.since(ended);
    const outcome = text(ended?.details.outcome);
    const tone = toTone(outcome);
    const id = `attempt-${attempt}`;
    const reason = text(ended?.details.reason);
    const error = text(ended?.details.error);
    this.spans.push({
      ...NOTHING,
      id,
      kind: "attempt",
      depth: 0,
      start,
      end,
      tone,
      attempt,
      outcome,
      reason,
      error,
    });
    if (started) this.addPickup(attempt, start, this.since(started));
    this.addSteps(attempt, started ? this.since(started) : start, own, tone, { reason, error });
    this.freeSince = end ?? start;
  }

  /** The time between the dispatch and a worker that takes the attempt. */
  private addPickup(attempt: number, start: number, end: number): void {
    if (end - start < PICKUP_FROM_MS) return;
    this.spans.push({
      ...NOTHING,
      id: `attempt-${attempt}.pickup`,
      kind: "wait",
      depth: 1,
      start,
      end,
      tone: "idle",
      attempt,
    });
  }

  private addWait(attempt: number, until: number, item: Happening): void {
    const start = Math.min(this.freeSince, until);
    if (until - start < 1 && !item.details.waited_for) return;
    this.spans.push({
      ...NOTHING,
      id: `wait-${attempt}`,
      kind: "wait",
      depth: 0,
      start,
      end: until,
      tone: "idle",
      attempt,
      name: text(item.details.waited_for),
    });
  }

  /** Steps are reported with the time that they took, and follow each other in a known order. */
  private addSteps(
    attempt: number,
    start: number,
    own: readonly Happening[],
    tone: Span["tone"],
    failure: { reason: string | undefined; error: string | undefined },
  ): void {
    const steps = own.filter((each) => each.kind === "step");
    steps.sort((a, b) => getRank(a) - getRank(b));
    let at = start;
    steps.forEach((step, index) => {
      const name = text(step.details.name) ?? `${index + 1}`;
      const end = at + Number(step.details.took_ms ?? 0);
      const isFailed = tone === "bad" && index === steps.length - 1;
      this.spans.push({
        ...NOTHING,
        ...(isFailed && failure),
        id: `attempt-${attempt}.${name}`,
        kind: "step",
        depth: 1,
        start: at,
        end,
        tone: tone === "bad" && !isFailed ? "ok" : tone,
        attempt,
        name,
      });
      at = end;
    });
  }

  private addCharge(item: Happening): void {
    const at = this.since(item);
    this.spans.push({
      ...NOTHING,
      id: `charge-${item.details.seq}`,
      kind: "charge",
      depth: 0,
      start: at,
      end: at,
      tone: "accent",
      sequence: Number(item.details.seq),
    });
  }

  private addOpenWait(): void {
    this.spans.push({
      ...NOTHING,
      id: `wait-${this.runs + 1}`,
      kind: "wait",
      depth: 0,
      start: this.freeSince,
      end: undefined,
      tone: "idle",
      attempt: this.runs + 1,
      name: this.row.queue?.reason ?? undefined,
    });
  }

  private since(item: Happening): number {
    return Date.parse(item.at) - this.origin;
  }
}

const FIRST_STEPS = ["open", "goto", "wait", "wait_for"];
const LAST_STEPS = ["extract", "convert", "screenshot", "render", "upload"];

/** The order of a browser's work; numbered steps stand between the visit and the result. */
function getRank(step: Happening): number {
  const name = text(step.details.name) ?? "";
  const number = name.match(/\d+$/)?.[0];
  if (number) return FIRST_STEPS.length + Number(number);
  const first = FIRST_STEPS.indexOf(name);
  const last = LAST_STEPS.indexOf(name);
  return first >= 0 ? first : last >= 0 ? 1_000 + last : 999;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function toTone(outcome: string | undefined): Span["tone"] {
  if (outcome === undefined) return "run";
  if (outcome === "succeeded") return "ok";
  return outcome === "cancelled" || outcome === "waiting" ? "idle" : "bad";
}

export interface Host {
  readonly name: string;
  readonly connections: number;
  readonly refusals: number;
  readonly refusal: string | undefined;
  readonly received: number;
}

/** The hosts that the runs of a job have contacted, with what was refused. */
export function collectHosts(items: readonly Happening[]): Host[] {
  const hosts = new Map<string, Host>();
  for (const item of items) {
    const places = item.kind === "network" ? item.details.places : undefined;
    for (const place of Array.isArray(places) ? (places as Record<string, unknown>[]) : []) {
      const name = text(place.host) ?? "?";
      const known = hosts.get(name);
      hosts.set(name, {
        name,
        connections: (known?.connections ?? 0) + Number(place.connections ?? 0),
        refusals: (known?.refusals ?? 0) + Number(place.refusals ?? 0),
        refusal: known?.refusal ?? text(place.refusal),
        received: (known?.received ?? 0) + Number(place.received ?? 0),
      });
    }
  }
  return [...hosts.values()].sort(
    (a, b) => b.refusals - a.refusals || b.connections - a.connections,
  );
}

/** Round steps for an axis: about `count` of them. */
export function chooseStep(length: number, count: number): number {
  const rough = length / count;
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
  const factor = [1, 2, 5, 10].find((each) => each * power >= rough) ?? 10;
  return factor * power;
}
