/**
 * Every text of the dashboard stands in a table under `strings/`, English beside German, so that a
 * missing translation is an error of the compiler.
 */

export const LOCALES = ["en", "de"] as const;
export type Locale = (typeof LOCALES)[number];

/** A text, or one for "one" and one for every other `count`. `{name}` is replaced by a value. */
export type Text = string | { readonly one: string; readonly other: string };
export type Table = Readonly<Record<string, Readonly<Record<Locale, Text>>>>;
export type Values = Readonly<Record<string, string | number>>;
export type Translate<T extends Table> = (key: keyof T & string, values?: Values) => string;

export function defineStrings<const T extends Table>(table: T): T {
  return table;
}

export function translator<T extends Table>(locale: Locale, table: T): Translate<T> {
  const numbers = new Intl.NumberFormat(locale);
  const plurals = new Intl.PluralRules(locale);
  return (key, values = {}) => {
    const text: Text = table[key]?.[locale] ?? key;
    const chosen =
      typeof text === "string"
        ? text
        : text[plurals.select(Number(values.count)) === "one" ? "one" : "other"];
    return chosen.replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = values[name];
      if (value === undefined) return whole;
      return typeof value === "number" ? numbers.format(value) : value;
    });
  };
}

/** The first of the reader's languages that exists here; English if none does. */
export function chooseLocale(preferred: string | null | undefined): Locale {
  const wishes = (preferred ?? "")
    .split(",")
    .map((wish) => {
      const [tag = "", quality] = wish.trim().split(";q=");
      return { tag: tag.toLowerCase().split("-")[0], weight: quality ? Number(quality) : 1 };
    })
    .sort((a, b) => b.weight - a.weight);
  for (const { tag } of wishes) {
    const found = LOCALES.find((locale) => locale === tag);
    if (found) return found;
  }
  return "en";
}
