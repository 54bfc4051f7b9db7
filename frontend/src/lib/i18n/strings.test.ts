import { describe, expect, it } from "vitest";
import { chooseLocale, defineStrings, translator } from "./strings";

const table = defineStrings({
  jobs: {
    en: { one: "{count} job", other: "{count} jobs" },
    de: { one: "{count} Auftrag", other: "{count} Aufträge" },
  },
  hello: { en: "Hello {name}", de: "Hallo {name}" },
});

describe("translator", () => {
  it("chooses the plural and formats numbers as the language does", () => {
    expect(translator("en", table)("jobs", { count: 1 })).toBe("1 job");
    expect(translator("en", table)("jobs", { count: 1234 })).toBe("1,234 jobs");
    expect(translator("de", table)("jobs", { count: 1234 })).toBe("1.234 Aufträge");
  });

  it("keeps a placeholder that has no value", () => {
    expect(translator("en", table)("hello")).toBe("Hello {name}");
  });
});

describe("chooseLocale", () => {
  it.each([
    ["de-AT,de;q=0.9,en;q=0.8", "de"],
    ["fr,de;q=0.4,en;q=0.8", "en"],
    ["fr", "en"],
    [null, "en"],
  ])("%s gives %s", (header, locale) => {
    expect(chooseLocale(header)).toBe(locale);
  });
});
