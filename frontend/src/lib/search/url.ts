import type { JobStatus } from "../store/rows";
import type { MatchTerm, Query, StatusWord } from "./ast";
import { isStatusTerm, STATUS_OF, WORD_OF } from "./evaluate";

/** The search in the address of a page: `?q=` holds its text as it was typed. */
export function readSearch(parameters: URLSearchParams): string {
  return parameters.get("q") ?? "";
}

export function writeSearch(parameters: URLSearchParams, text: string): URLSearchParams {
  const written = new URLSearchParams(parameters);
  if (text.trim() === "") written.delete("q");
  else written.set("q", text);
  return written;
}

/** The one status that a search asks for, as the tabs above the list show it. */
export function getOnlyStatus(query: Query): JobStatus | undefined {
  const [term, ...others] = query.filter(isStatusTerm);
  if (!term || others.length > 0 || term.negated || term.values.length !== 1) return undefined;
  return STATUS_OF[term.values[0]?.text as StatusWord];
}

/** The same search for another status, or for all. */
export function withStatus(query: Query, status: JobStatus | undefined): Query {
  const others = query.filter((term) => !isStatusTerm(term));
  if (!status) return others;
  const term: MatchTerm = {
    kind: "match",
    key: "status",
    negated: false,
    values: [{ text: WORD_OF[status], exact: false }],
  };
  return [term, ...others];
}
