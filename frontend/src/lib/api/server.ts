import "server-only";
import { cache } from "react";
import { accessToken } from "@/lib/auth/server";
import { serverConfig } from "@/lib/config/server";
import { readLocale } from "@/lib/i18n/server";
import { type ApiError, errorOf, unreachable } from "./problems";
import type { components } from "./schema";

export type Me = components["schemas"]["Me"];

export type Answer<Data> = { data: Data; error: null } | { data: null; error: ApiError };

/** Reads from the gateway as the signed-in user while a page is rendered. */
async function readAs<Data>(path: string): Promise<Answer<Data>> {
  const token = await accessToken();
  const language = await readLocale();
  try {
    const response = await fetch(new URL(`/api/v1${path}`, serverConfig().GATEWAY_URL), {
      headers: {
        authorization: `Bearer ${token ?? ""}`,
        "accept-language": language,
      },
      cache: "no-store",
      signal: AbortSignal.timeout(5000),
    });
    if (!response.ok) return { data: null, error: await errorOf(response) };
    return { data: (await response.json()) as Data, error: null };
  } catch {
    return { data: null, error: unreachable() };
  }
}

export const readMe = cache(() => readAs<Me>("/me"));
export const readFlags = cache(() => readAs<components["schemas"]["OwnFlags"]>("/flags"));
