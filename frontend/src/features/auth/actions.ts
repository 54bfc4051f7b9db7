"use server";

import { redirect } from "next/navigation";
import { messageOf } from "@/lib/auth/errors";
import { identityClient } from "@/lib/auth/server";
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
