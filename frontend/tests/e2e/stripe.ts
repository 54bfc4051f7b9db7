import type { Page } from "@playwright/test";

/** The stand-in for Stripe, as its operator and the holder of its key see it. */

const KEY = "sk_test_e2e";
const MORE_THAN_A_MONTH = 32 * 86_400;
const PAGE = 100;

type Listed = { id: string; metadata: Record<string, string> };

async function call<Answer>(path: string, body?: object): Promise<Answer> {
  const url = process.env.STRIPE_URL;
  if (!url) throw new Error("STRIPE_URL is not set: run the tests with ./msaas dashboard e2e");
  const response = await fetch(`${url}${path}`, {
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
    ...(body ? { method: "POST", body: JSON.stringify(body) } : {}),
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

async function findCustomer(userId: string): Promise<string> {
  let after = "";
  for (;;) {
    type Page = { data: Listed[]; has_more: boolean };
    const { data, has_more } = await call<Page>(`/v1/customers?limit=${PAGE}${after}`);
    const found = data.find(({ metadata }) => Object.values(metadata).includes(userId));
    if (found) return found.id;
    if (!has_more) throw new Error("The user has no customer.");
    after = `&starting_after=${data.at(-1)?.id}`;
  }
}

export class StripeStandIn {
  private constructor(private readonly customer: string) {}

  static async ofUser(page: Page): Promise<StripeStandIn> {
    const id = await page.evaluate(async () => (await (await fetch("/api/v1/me")).json()).id);
    return new StripeStandIn(await findCustomer(id));
  }

  /** The units of the last and the next hour that the meter has. */
  async countUnits(): Promise<number> {
    const { data: meters } = await call<{ data: Listed[] }>("/v1/billing/meters");
    const minute = Math.floor(Date.now() / 60_000) * 60;
    const span = `start_time=${minute - 3600}&end_time=${minute + 3600}`;
    let units = 0;
    for (const { id } of meters) {
      const path = `/v1/billing/meters/${id}/event_summaries?customer=${this.customer}&${span}`;
      const { data } = await call<{ data: { aggregated_value: number }[] }>(path);
      units += data.reduce((sum, each) => sum + each.aggregated_value, 0);
    }
    return units;
  }

  /** Let the period of this customer end, so that its invoice becomes final. */
  async endPeriod(): Promise<void> {
    const body = { customer: this.customer, seconds: MORE_THAN_A_MONTH };
    await call("/_control/advance-customer", body);
  }
}
