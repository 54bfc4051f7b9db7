import type { Locale } from "./i18n/strings";

/**
 * Amounts are counted in the smallest unit of their currency, as text where they have fractions.
 * They are shifted as text: no amount becomes a floating-point number.
 */

export type Amount = string | number;

const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?$/;

function formatter(locale: Locale, currency: string, most?: number): Intl.NumberFormat {
  return new Intl.NumberFormat(locale, {
    style: "currency",
    currency: currency.toUpperCase(),
    ...(most === undefined ? {} : { maximumFractionDigits: most }),
  });
}

/** How many digits of a currency stand after the point: 2 for dollars, 0 for yen. */
export function minorDigits(currency: string): number {
  return formatter("en", currency).resolvedOptions().maximumFractionDigits ?? 2;
}

/** The amount in the main unit: `"0.5"` with 2 digits is `"0.005"`. */
export function shiftAmount(amount: Amount, digits: number): string {
  const [, sign = "", whole = "0", fraction = ""] = DECIMAL.exec(String(amount)) ?? [];
  const padded = whole.padStart(digits + 1, "0");
  const cut = padded.length - digits;
  const rest = (padded.slice(cut) + fraction).replace(/0+$/, "");
  return `${sign}${padded.slice(0, cut)}${rest ? `.${rest}` : ""}`;
}

/** `2000` of usd is `$20.00`; a price with fractions of a cent keeps them. */
export function formatMoney(locale: Locale, amount: Amount, currency: string): string {
  const digits = minorDigits(currency);
  const text = shiftAmount(amount, digits);
  const decimals = text.split(".")[1]?.length ?? 0;
  const most = Math.max(digits, decimals);
  return formatter(locale, currency, most).format(text as Intl.StringNumericLiteral);
}

/** What a person typed, in the smallest unit; undefined if it is no amount of the currency. */
export function parseMoney(text: string, currency: string): number | undefined {
  const digits = minorDigits(currency);
  const found = /^(\d{1,7})(?:[.,](\d+))?$/.exec(text.trim());
  const [, whole = "", fraction = ""] = found ?? [];
  if (!found || fraction.length > digits) return undefined;
  return Number(whole + fraction.padEnd(digits, "0"));
}
