/** A run and its parts, for tests. */

import type { Approval, Run, Step } from "./model";

export const RUN_ID = "0192f0c4-7a61-7c3e-9d55-0a6f5c1b2d3e";
export const TEXT = "Our shop 🪑. Opened items may be returned within 30 days, “unspoilt”. Bye.";
export const QUOTE = "Opened items may be returned within 30 days, “unspoilt”.";

const before = [...TEXT.slice(0, TEXT.indexOf(QUOTE))].length;
export const SPAN = { start: before, end: before + [...QUOTE].length };

export async function hashText(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function buildRun(values: Partial<Run> = {}): Run {
  const ceiling = (limit: number, spent: number, held = 0) => ({
    limit,
    spent,
    held,
    left: limit - spent - held,
  });
  return {
    id: RUN_ID,
    workflow_type: "research",
    state: "running",
    title: "Which shop takes back opened chairs?",
    version: 3,
    open_approvals: 0,
    spend: {
      model_calls: 2,
      repeated_calls: 0,
      tokens_in: 900,
      tokens_out: 100,
      cost_micro_usd: 9_400,
      steps: 2,
      child_jobs: 1,
    },
    ceilings: {
      steps: ceiling(20, 2),
      tokens: ceiling(60_000, 1_000, 2_000),
      cost_micro_usd: ceiling(250_000, 9_400, 600),
      seconds: ceiling(900, 12),
    },
    partial: false,
    partial_reason: null,
    failure_reason: null,
    cancel_requested: false,
    created_at: "2026-01-01T00:00:00Z",
    updated_at: "2026-01-01T00:00:02Z",
    started_at: "2026-01-01T00:00:01Z",
    finished_at: null,
    params: { question: "Which shop takes back opened chairs?", seeds: ["https://shop.example/"] },
    result: null,
    citations: [],
    ...values,
  };
}

export function buildStep(values: Partial<Step> = {}): Step {
  return {
    seq: 0,
    kind: "browse",
    state: "started",
    title: "Read the return policies",
    detail: null,
    child_job_id: null,
    approval_id: null,
    started_at: "2026-01-01T00:00:01Z",
    finished_at: null,
    model_calls: 0,
    tokens: 0,
    cost_micro_usd: 0,
    ...values,
  };
}

export function buildApproval(values: Partial<Approval> = {}): Approval {
  return {
    id: "0192f0c4-7a61-7c3e-9d55-0a6f5c1b2d41",
    kind: "approval",
    title: "Approve sending this form?",
    text: "run_steps at portal.example.org, once.",
    form: {},
    state: "open",
    answer: null,
    expires_at: null,
    decided_at: null,
    created_at: "2026-01-01T00:00:06Z",
    ...values,
  };
}
