import { defineStrings } from "@/lib/i18n/strings";

/** Why a run ended with a part, or failed, in words; another reason is shown as it is. */
export const reasonStrings = defineStrings({
  steps: { en: "the ceiling of steps was reached", de: "die Grenze der Schritte war erreicht" },
  tokens: { en: "the ceiling of tokens was reached", de: "die Grenze der Tokens war erreicht" },
  cost: { en: "the ceiling of money was reached", de: "die Geldgrenze war erreicht" },
  time: { en: "the ceiling of time was reached", de: "die Zeitgrenze war erreicht" },
  day: { en: "the day's ceiling was reached", de: "die Grenze des Tages war erreicht" },
  model: { en: "no language model answered", de: "kein Sprachmodell antwortete" },
  pages: { en: "some pages could not be read", de: "einige Seiten waren nicht lesbar" },
});

const NAMES: readonly [RegExp, keyof typeof reasonStrings][] = [
  [/day/, "day"],
  [/step/, "steps"],
  [/token/, "tokens"],
  [/cost|money|usd/, "cost"],
  [/second|time|deadline/, "time"],
  [/model|provider/, "model"],
  [/page|source|document/, "pages"],
];

export function nameReason(reason: string): keyof typeof reasonStrings | undefined {
  return NAMES.find(([pattern]) => pattern.test(reason))?.[1];
}
