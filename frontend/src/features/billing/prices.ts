import { useLocale, useStrings } from "@/lib/i18n/provider";
import { formatMoney } from "@/lib/money";
import type { Offer } from "./model";
import { billingStrings } from "./strings";

type Key = keyof typeof billingStrings;

const INTERVALS: Readonly<Record<string, Key>> = { month: "price", year: "priceYear" };
const FREE_CURRENCY = "usd";

/** The prices of a plan, in words. */
export function usePrice() {
  const t = useStrings(billingStrings);
  const locale = useLocale();
  return {
    period({ currency, interval, amount_per_period: amount, plan }: Offer): string {
      if (plan === "FREE") return formatMoney(locale, 0, currency ?? FREE_CURRENCY);
      if (amount === null || currency === null) return t("notOnSale");
      return t(INTERVALS[interval ?? ""] ?? "priceOther", {
        amount: formatMoney(locale, amount, currency),
      });
    },
    /** `priced` if each job costs something, else `free`. */
    job({ currency, amount_per_job: amount }: Offer, priced: Key, free: Key): string {
      if (amount === null || currency === null || /^0(\.0*)?$/.test(amount)) return t(free);
      return t(priced, { amount: formatMoney(locale, amount, currency) });
    },
  };
}
