import fc from "fast-check";
import { expect, it } from "vitest";
import { type Channel, OwnData } from "./own-data";
import { type JobRow, toKey } from "./rows";
import { FakeGateway, FakePersistence, FakeTimers } from "./testing";

type Step =
  | { readonly kind: "submit" | "hold" | "again" | "send" | "cut" | "reset" | "older" }
  | { readonly kind: "open" | "kill" | "upgrade" | "pass" }
  | { readonly kind: "change" | "execute" | "answer" | "fail" | "deliver" | "tabs" };

type NumberedStep = Step & { readonly number: number };

const KINDS: readonly Step["kind"][] = [
  "submit",
  "submit",
  "change",
  "change",
  "change",
  "hold",
  "again",
  "send",
  "send",
  "deliver",
  "deliver",
  "execute",
  "execute",
  "answer",
  "answer",
  "fail",
  "cut",
  "reset",
  "older",
  "open",
  "kill",
  "upgrade",
  "pass",
  "pass",
  "tabs",
  "tabs",
];

/** `CONVERGENCE_RUNS=10000` for the complete proof. */
const RUNS = 1_000;
const LIMITS = { page: 3, snapshot: 6, fill: 9 };

interface Tab {
  readonly data: OwnData;
  readonly inbox: unknown[];
  listener: (message: unknown) => void;
  isDead: boolean;
}

/** Tabs of one browser, their channel, lock and storage. */
class Browser {
  readonly timers = new FakeTimers();
  readonly gateway = new FakeGateway();
  private persistence = new FakePersistence();
  private tabs: Tab[] = [];
  private waiting: { readonly tab: () => Tab; readonly lead: () => void }[] = [];
  private leader: Tab | undefined;
  private opened = 0;

  get living(): readonly Tab[] {
    return this.tabs.filter((tab) => !tab.isDead);
  }

  async open(): Promise<void> {
    if (this.living.length >= 3) return;
    const inbox: unknown[] = [];
    const channel: Channel = {
      post: (message) => {
        for (const other of this.living) {
          if (other !== tab) other.inbox.push(structuredClone(message));
        }
      },
      listen: (listener) => {
        tab.listener = listener;
      },
      close: () => undefined,
    };
    const data = new OwnData({
      source: this.gateway,
      persistence: this.persistence,
      channel,
      timers: this.timers,
      limits: LIMITS,
      tabId: String(++this.opened),
      elect: (lead) => {
        this.waiting.push({ tab: () => tab, lead });
        this.electNext();
        return () => undefined;
      },
    });
    const tab: Tab = { data, inbox, listener: () => undefined, isDead: false };
    this.tabs.push(tab);
    await data.start();
  }

  /** A tab that crashes says and stores nothing any more. */
  kill(number: number): void {
    const tab = this.living[number % Math.max(1, this.living.length)];
    if (!tab) return;
    tab.isDead = true;
    tab.data.stop();
    this.waiting = this.waiting.filter((entry) => entry.tab() !== tab);
    if (this.leader === tab) this.leader = undefined;
    this.electNext();
  }

  /** Another version of the dashboard does not read what this one has stored. */
  upgrade(): void {
    while (this.living.length > 0) this.kill(0);
    this.persistence = new FakePersistence();
  }

  deliverTabs(count: number): void {
    for (const tab of this.living) {
      for (const message of tab.inbox.splice(0, count)) tab.listener(message);
    }
  }

  private electNext(): void {
    if (this.leader) return;
    const next = this.waiting.shift();
    if (!next) return;
    this.leader = next.tab();
    next.lead();
  }
}

async function settleMicrotasks(): Promise<void> {
  for (let turn = 0; turn < 6; turn += 1) await Promise.resolve();
}

async function perform(browser: Browser, step: NumberedStep): Promise<void> {
  const { gateway } = browser;
  const { number } = step;
  const reading = gateway.readings[number % Math.max(1, gateway.readings.length)];
  const some = (number % 4) + 1;
  switch (step.kind) {
    case "submit":
      gateway.submit();
      break;
    case "change":
      gateway.change(number, number % 5 !== 0);
      break;
    case "hold":
      gateway.publishHeld();
      break;
    case "again":
      gateway.publishAgain(number);
      break;
    case "send":
      gateway.send();
      break;
    case "cut":
      gateway.cut();
      break;
    case "reset":
      gateway.reset(number);
      break;
    case "deliver":
      gateway.deliver(some);
      break;
    case "execute":
      if (reading && !reading.answer) reading.execute();
      break;
    case "answer":
      if (reading?.answer) {
        gateway.readings.splice(gateway.readings.indexOf(reading), 1);
        reading.answer();
      }
      break;
    case "fail":
      if (reading) {
        gateway.readings.splice(gateway.readings.indexOf(reading), 1);
        reading.fail();
      }
      break;
    case "older":
      browser.living[number % Math.max(1, browser.living.length)]?.data.readOlder();
      break;
    case "open":
      await browser.open();
      break;
    case "kill":
      browser.kill(number);
      break;
    case "upgrade":
      if (number % 4 === 0) browser.upgrade();
      break;
    case "pass":
      browser.timers.pass([100, 600, 3_000, 40_000][number % 4] as number);
      break;
    case "tabs":
      browser.deliverTabs(some);
      break;
  }
  await settleMicrotasks();
}

/** Let everything that is under way arrive, until nothing more happens. */
async function comeToRest(browser: Browser): Promise<void> {
  const { gateway } = browser;
  if (browser.living.length === 0) await browser.open();
  gateway.publishHeld();
  for (let turn = 0; turn < 60; turn += 1) {
    gateway.send();
    gateway.deliver(Number.POSITIVE_INFINITY);
    for (const reading of gateway.readings.splice(0)) {
      if (!reading.answer) reading.execute();
      reading.answer?.();
    }
    await settleMicrotasks();
    browser.deliverTabs(Number.POSITIVE_INFINITY);
    await settleMicrotasks();
    browser.timers.pass(1_500);
    await settleMicrotasks();
    if (turn > 24 && gateway.readings.length === 0 && !browser.living.some(isUnsettled)) break;
  }
  browser.deliverTabs(Number.POSITIVE_INFINITY);
}

function isUnsettled({ data }: Tab): boolean {
  const { phase, isReading } = data.getState();
  return phase === "empty" || isReading || data.table.unread.size > 0;
}

function expectEqual(browser: Browser): void {
  const { gateway } = browser;
  const truth = [...gateway.jobs.values()];
  for (const { data } of browser.living) {
    const { table } = data;
    const rows = table.ids.map((id) => table.get(id));
    const newest = truth.toSorted((a, b) => (toKey(a) < toKey(b) ? 1 : -1));
    const expected = newest.slice(0, Math.max(rows.length, Math.min(truth.length, LIMITS.fill)));
    expect(rows.map((row) => row && comparable(row))).toEqual(expected.map(comparable));
  }
}

function comparable(row: JobRow) {
  return [row.id, row.status, row.version, row.updated_at, row.failure_reason, row.attempts];
}

const steps = fc.array(
  fc.record({ kind: fc.constantFrom(...KINDS), number: fc.nat(30) }) as fc.Arbitrary<NumberedStep>,
  { minLength: 5, maxLength: 60 },
);

it("the rows of every tab equal the gateway's after any interleaving", {
  timeout: 300_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (given) => {
      const browser = new Browser();
      await browser.open();
      for (const step of given) await perform(browser, step);
      await comeToRest(browser);
      expectEqual(browser);
    }),
    { numRuns: Number(process.env.CONVERGENCE_RUNS ?? RUNS) },
  );
});
