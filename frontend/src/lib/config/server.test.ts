import { expect, it } from "vitest";
import { parseConfig, parseFlags } from "./server";

const COMPLETE = {
  ENVIRONMENT: "local",
  GATEWAY_URL: "http://127.0.0.1:8000",
  SUPABASE_URL: "http://127.0.0.1:9999",
  SUPABASE_ANON_KEY: "anon",
};

it("accepts a complete environment", () => {
  expect(parseConfig(COMPLETE).NEXT_PUBLIC_RELEASE).toBe("development");
});

it("names what is wrong and never shows a value", () => {
  const broken = () => parseConfig({ ...COMPLETE, GATEWAY_URL: "secret-value" });
  expect(broken).toThrow(/GATEWAY_URL/);
  expect(broken).not.toThrow(/secret-value/);
});

it("mirrors flags under the gateway's names", () => {
  expect(parseFlags({ NEXT_PUBLIC_FF_AGENTS_ENABLED: "true", NEXT_PUBLIC_OTHER: "true" })).toEqual({
    FF_AGENTS_ENABLED: true,
  });
});
