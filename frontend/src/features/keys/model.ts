import type { components } from "@/lib/api/schema";

export type Key = components["schemas"]["Key"];
export type NewKey = components["schemas"]["NewKey"];
export type Scope = components["schemas"]["Scope"];

export type KeyState = "active" | "replaced" | "expired" | "revoked";

export function stateOf(key: Key, now: number): KeyState {
  if (key.revoked_at) return "revoked";
  if (key.expires_at && Date.parse(key.expires_at) <= now) return "expired";
  return key.replaced_by ? "replaced" : "active";
}

export function isUsable(key: Key, now: number): boolean {
  const state = stateOf(key, now);
  return state === "active" || state === "replaced";
}

export function scopesFor(operator: boolean): readonly Scope[] {
  const scopes: Scope[] = ["jobs:read", "jobs:write", "account:read"];
  return operator ? [...scopes, "ops"] : scopes;
}

export function scopeLabel(scope: Scope) {
  const labels = {
    "account:read": "scope_account_read",
    "jobs:read": "scope_jobs_read",
    "jobs:write": "scope_jobs_write",
    ops: "scope_ops",
  } as const;
  return labels[scope];
}

/** A first request to copy. The key itself is never a part of a text that may be kept. */
export function firstRequest(apiUrl: string): string {
  return [
    `curl ${apiUrl}/jobs \\`,
    '  -H "Authorization: Bearer $MSAAS_KEY" \\',
    '  -H "Idempotency-Key: first-job" \\',
    '  -H "Content-Type: application/json" \\',
    `  -d '{"task_type": "echo", "params": {"message": "hello"}}'`,
  ].join("\n");
}

export function expiryOf(days: string, now: number): string | null {
  const count = Number(days);
  return count > 0 ? new Date(now + count * 86_400_000).toISOString() : null;
}
