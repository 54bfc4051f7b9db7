import type { components } from "@/lib/api/schema";
import type { Citation } from "./model";

export type Passage = components["schemas"]["AgentPassage"];
export type Verdict = "literal" | "other_text" | "other_words" | "unavailable";

/** Check a citation here, in the browser: the text has the hash, and the quote stands at its place. */
export async function verifyCitation(citation: Citation, whole: Passage): Promise<Verdict> {
  const subtle = globalThis.crypto?.subtle;
  if (!subtle) return "unavailable";
  const text = whole.before + whole.passage + whole.after;
  const digest = await subtle.digest("SHA-256", new TextEncoder().encode(text));
  if (toHex(digest) !== citation.sha256) return "other_text";
  const found = [...text].slice(citation.start, citation.end).join("");
  return found === citation.quote ? "literal" : "other_words";
}

function toHex(bytes: ArrayBuffer): string {
  return [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
