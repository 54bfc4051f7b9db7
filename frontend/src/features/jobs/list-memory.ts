/**
 * What the list remembers while another page is shown, so that going back finds it unchanged: the
 * cursor, the selection and which rows are held back. It ends with the page.
 */
export interface ListMemory {
  cursor: string | undefined;
  selection: ReadonlySet<string>;
  /** The newest row that is shown, per search; newer ones wait behind "n new". */
  readonly newest: Map<string, string>;
}

export const listMemory: ListMemory = {
  cursor: undefined,
  selection: new Set(),
  newest: new Map(),
};
