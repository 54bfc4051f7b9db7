"use server";

import { messageOf } from "@/lib/auth/errors";
import { identityClient } from "@/lib/auth/server";
import type { authStrings } from "@/lib/i18n/strings/auth";

export type PasswordState = {
  message: keyof typeof authStrings | "different" | null;
  done: boolean;
};

export async function changePassword(
  _before: PasswordState,
  form: FormData,
): Promise<PasswordState> {
  const password = String(form.get("password") ?? "");
  if (password !== String(form.get("repeat") ?? "")) return { message: "different", done: false };
  const client = await identityClient();
  const { error } = await client.auth.updateUser({ password });
  return error ? { message: messageOf(error), done: false } : { message: null, done: true };
}

export async function signOutOthers(): Promise<boolean> {
  const client = await identityClient();
  const { error } = await client.auth.signOut({ scope: "others" });
  return error === null;
}
