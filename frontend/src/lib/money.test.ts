import { expect, it } from "vitest";
import { formatMoney, parseMoney, shiftAmount } from "./money";

it("formats the smallest unit in the currency and the language", () => {
  expect(formatMoney("en", "2000", "usd")).toBe("$20.00");
  expect(formatMoney("de", "2000", "eur")).toBe("20,00\u00a0€");
  expect(formatMoney("en", 500, "jpy")).toBe("¥500");
  expect(formatMoney("en", -5, "usd")).toBe("-$0.05");
});

it("keeps fractions of a cent", () => {
  expect(formatMoney("en", "0.5", "usd")).toBe("$0.005");
  expect(formatMoney("en", "10.25", "usd")).toBe("$0.1025");
});

it("loses no digit of an amount that a float cannot hold", () => {
  expect(shiftAmount("9007199254740993", 2)).toBe("90071992547409.93");
  expect(formatMoney("en", "9007199254740993", "usd")).toBe("$90,071,992,547,409.93");
});

it("reads back what it shows", () => {
  for (let cents = 0; cents <= 12_345; cents += 7) {
    expect(parseMoney(shiftAmount(cents, 2), "usd")).toBe(cents);
  }
});

it("reads a comma as a point, and refuses what is no amount", () => {
  expect(parseMoney(" 12,5 ", "usd")).toBe(1250);
  expect(parseMoney("0", "usd")).toBe(0);
  for (const text of ["", "-1", "1.234", "1e3", "1,000.00", "ten", "12345678"]) {
    expect(parseMoney(text, "usd"), text).toBeUndefined();
  }
  expect(parseMoney("1.5", "jpy")).toBeUndefined();
});
