import type { components } from "@/lib/api/schema";
import type { Locale } from "@/lib/i18n/strings";

type Schemas = components["schemas"];
export type RunSummary = Schemas["AgentRunSummary"];
export type Run = Schemas["AgentRun"];
export type RunState = Schemas["AgentRunState"];
export type Step = Schemas["AgentStep"];
export type Approval = Schemas["AgentApproval"];
export type Citation = Schemas["AgentCitation"];
export type Ceilings = Schemas["AgentCeilings"];
export type WorkflowType = Schemas["WorkflowType"];

export const WORKFLOWS: readonly WorkflowType[] = ["research", "extract", "monitor"];
export const STATES: readonly RunState[] = [
  "queued",
  "running",
  "waiting",
  "succeeded",
  "failed",
  "cancelled",
];
const FINAL: ReadonlySet<RunState> = new Set(["succeeded", "failed", "cancelled"]);

export function isFinal(state: RunState): boolean {
  return FINAL.has(state);
}

/** A run as the stream shows it: without its result, and with limits only. */
export interface RunFrame {
  readonly id: string;
  readonly state: RunState;
  readonly title: string;
  readonly version: number;
  readonly spend: Run["spend"];
  readonly ceilings: Partial<Record<keyof Ceilings, number | null>>;
  readonly partial: boolean;
  readonly partial_reason: string | null;
  readonly failure_reason: string | null;
  readonly updated_at: string;
  readonly finished_at: string | null;
}

/** The run with what a frame says, unless it is already newer. */
export function mergeRun(run: Run, frame: RunFrame): Run {
  if (frame.version <= run.version) return run;
  const { ceilings: limits, ...rest } = frame;
  const spent = {
    steps: frame.spend.steps,
    tokens: frame.spend.tokens_in + frame.spend.tokens_out,
    cost_micro_usd: frame.spend.cost_micro_usd,
    seconds: run.ceilings.seconds.spent,
  };
  const ceilings = Object.fromEntries(
    Object.entries(run.ceilings).map(([name, before]) => {
      const key = name as keyof Ceilings;
      const limit = limits[key] ?? before.limit;
      const used = Math.max(before.spent, spent[key]);
      const left = limit === null ? null : Math.max(0, limit - used - before.held);
      return [key, { limit, spent: used, held: before.held, left }];
    }),
  ) as Ceilings;
  return { ...run, ...rest, ceilings };
}

/** A later state of a step replaces an earlier one; one that has ended never begins again. */
export function mergeStep(steps: readonly Step[], step: Step): readonly Step[] {
  const at = steps.findIndex((each) => each.seq >= step.seq);
  const found = at < 0 ? undefined : steps[at];
  if (found?.seq === step.seq) {
    if (found.finished_at !== null && step.finished_at === null) return steps;
    return steps.with(at, step);
  }
  return at < 0 ? [...steps, step] : steps.toSpliced(at, 0, step);
}

export interface Token {
  readonly call: string;
  /** In characters, of which some take two places of a JavaScript string. */
  readonly offset: number;
  readonly text: string;
}

/** Text that is being written; `start` is not 0 when its beginning was not received. */
export interface LiveText {
  readonly call: string;
  readonly start: number;
  readonly length: number;
  readonly text: string;
}

export function appendToken(before: LiveText | null, token: Token): LiveText {
  const characters = [...token.text];
  const end = before ? before.start + before.length : 0;
  if (!before || before.call !== token.call || token.offset > end || token.offset < before.start) {
    const { call, offset: start, text } = token;
    return { call, start, length: characters.length, text };
  }
  const added = characters.slice(end - token.offset);
  if (added.length === 0) return before;
  return { ...before, length: before.length + added.length, text: before.text + added.join("") };
}

/** What the result says in words; undefined while there is none. */
export function getAnswerText(run: Run): string | undefined {
  const { result } = run;
  const text = result?.answer ?? result?.summary;
  return typeof text === "string" && text !== "" ? text : undefined;
}

export function getOpenApproval(approvals: readonly Approval[], now: number): Approval | undefined {
  return approvals.find(({ state, expires_at: end }) => {
    return state === "open" && (end === null || Date.parse(end) > now);
  });
}

/** The step that is under way, or the last one. */
export function getCurrentStep(steps: readonly Step[]): Step | undefined {
  return steps.findLast(({ finished_at: end }) => end === null) ?? steps.at(-1);
}

/** Millionths of a dollar: `$0.187`, and more digits for what would be shown as nothing. */
export function formatUsd(locale: Locale, micro: number): string {
  const digits = micro > 0 && micro < 1_000 ? 6 : 3;
  return new Intl.NumberFormat(locale, {
    style: "currency",
    currency: "USD",
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(micro / 1_000_000);
}

/** `22:14`, or `1:05:00` from an hour on. */
export function formatCountdown(milliseconds: number): string {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  const pad = (value: number) => String(value).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const end = `${hours ? pad(minutes) : minutes}:${pad(seconds % 60)}`;
  return hours ? `${hours}:${end}` : end;
}
