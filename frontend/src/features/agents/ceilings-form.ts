import type { components } from "@/lib/api/schema";

export type PlanCeilings = components["schemas"]["PlanCeilings"];
export type CeilingName = keyof PlanCeilings;

export const CEILINGS: readonly CeilingName[] = ["steps", "tokens", "cost_micro_usd", "seconds"];

/** What one unit of the field is: dollars and minutes are typed, millionths and seconds are sent. */
export const UNITS: Readonly<Record<CeilingName, number>> = {
  steps: 1,
  tokens: 1,
  cost_micro_usd: 1_000_000,
  seconds: 60,
};

export type TypedCeilings = Partial<Record<CeilingName, number>>;

export function isWithin(name: CeilingName, typed: number, plan: PlanCeilings): boolean {
  const value = Math.round(typed * UNITS[name]);
  return value >= 1 && value <= plan[name];
}

/** The ceilings that were lowered, as the run wants them; undefined if none was. */
export function toCeilings(typed: TypedCeilings): Partial<PlanCeilings> | undefined {
  const given = CEILINGS.flatMap((name) => {
    const value = typed[name];
    return value === undefined ? [] : [[name, Math.round(value * UNITS[name])] as const];
  });
  return given.length > 0 ? Object.fromEntries(given) : undefined;
}

export function fromCeilings(given: unknown): TypedCeilings {
  const values = (given ?? {}) as Partial<Record<CeilingName, number | null>>;
  return Object.fromEntries(
    CEILINGS.flatMap((name) => {
      const value = values[name];
      return typeof value === "number" ? [[name, value / UNITS[name]]] : [];
    }),
  );
}
