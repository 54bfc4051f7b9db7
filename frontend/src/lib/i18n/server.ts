import "server-only";
import { cookies, headers } from "next/headers";
import { cache } from "react";
import { chooseLocale, type Locale, type Table, type Translate, translator } from "./strings";

/** The reader's own choice, else the first language of the browser that exists here. */
export const readLocale = cache(async (): Promise<Locale> => {
  const [jar, head] = await Promise.all([cookies(), headers()]);
  return chooseLocale(jar.get("locale")?.value ?? head.get("accept-language"));
});

export async function serverStrings<T extends Table>(table: T): Promise<Translate<T>> {
  return translator(await readLocale(), table);
}
