"use server";

import { redirect } from "next/navigation";
import { messageOf } from "@/lib/auth/errors";
import { identityClient } from "@/lib/auth/server";
import { serverConfig } from "@/lib/config/server";
import type { authStrings } from "@/lib/i18n/strings/auth";
import { safeNextPath } from "@/lib/security/next-path";

export type FormState = { message: keyof typeof authStrings | null; email: string; name: string };

function text(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === "string" ? value : "";
}

export async function signIn(_before: FormState, form: FormData): Promise<FormState> {
  const email = text(form, "email").trim();
  const password = text(form, "password");
  const state: FormState = { message: null, email, name: "" };
  if (!email || !password) return { ...state, message: "missing" };
  const client = await identityClient();
  const { error } = await client.auth.signInWithPassword({ email, password });
  if (error) return { ...state, message: messageOf(error) };
  redirect(safeNextPath(text(form, "next")));
}

export async function signUp(_before: FormState, form: FormData): Promise<FormState> {
  const email = text(form, "email").trim();
  const password = text(form, "password");
  const name = text(form, "name").trim().slice(0, 100);
  const state: FormState = { message: null, email, name };
  if (!email || !password) return { ...state, message: "missing" };
  const client = await identityClient();
  const { data, error } = await client.auth.signUp({
    email,
    password,
    options: { data: name ? { name } : {} },
  });
  if (error) return { ...state, message: messageOf(error) };
  // An identity that wants the address confirmed begins no session yet.
  if (!data.session) return { ...state, message: "confirm" };
  redirect(safeNextPath(text(form, "next")));
}

export type LinkState = { message: keyof typeof authStrings | null; email: string; sent: boolean };

/** Send a link that signs in: to the settings for a new password, or to the jobs. */
export async function sendLink(_before: LinkState, form: FormData): Promise<LinkState> {
  const email = text(form, "email").trim();
  if (!email) return { message: "missing", email, sent: false };
  const isRecovery = text(form, "kind") === "recovery";
  const address = callbackAddress(isRecovery ? "/settings" : "/jobs");
  const { auth } = await identityClient();
  const { error } = isRecovery
    ? await auth.resetPasswordForEmail(email, address ? { redirectTo: address } : {})
    : await auth.signInWithOtp({
        email,
        options: { shouldCreateUser: false, ...(address && { emailRedirectTo: address }) },
      });
  // A stranger does not learn whether an address has an account.
  if (!error || error.code === "otp_disabled") return { message: null, email, sent: true };
  return { message: messageOf(error), email, sent: false };
}

/** The Host header is the client's, so that the address of this site has to be a setting. */
function callbackAddress(next: string): string | undefined {
  const { NEXT_PUBLIC_SITE_URL: site } = serverConfig();
  return site && new URL(`/auth/callback?next=${encodeURIComponent(next)}`, site).href;
}
