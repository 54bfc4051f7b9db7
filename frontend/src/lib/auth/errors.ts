import type { authStrings } from "@/lib/i18n/strings/auth";

type Message = keyof typeof authStrings;

const BY_CODE: Readonly<Record<string, Message>> = {
  invalid_credentials: "wrong",
  email_exists: "taken",
  user_already_exists: "taken",
  weak_password: "weak",
  user_banned: "banned",
  email_not_confirmed: "confirm",
  over_request_rate_limit: "tooMany",
  validation_failed: "missing",
};

/** The text for a refusal of the identity; its own texts are for developers. */
export function messageOf(error: {
  code?: string | undefined;
  status?: number | undefined;
}): Message {
  return BY_CODE[error.code ?? ""] ?? (error.status === 429 ? "tooMany" : "unavailable");
}
