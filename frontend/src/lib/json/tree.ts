/** A JSON document as the rows that are open, of which only some are ever asked for. */

export type JsonKind = "object" | "array" | "string" | "number" | "boolean" | "null";

export interface JsonRow {
  /** The steps from the root: names and indexes. */
  readonly path: readonly (string | number)[];
  readonly depth: number;
  readonly kind: JsonKind;
  /** The value of a leaf, cut off when it is long. */
  readonly preview: string;
  /** Entries of an object or an array. */
  readonly size: number;
  readonly isOpen: boolean;
  readonly isMatch: boolean;
}

export interface JsonState {
  readonly rowCount: number;
  readonly matchCount: number;
}

interface Node {
  readonly key: string | number | undefined;
  readonly value: unknown;
  readonly depth: number;
  readonly parent: Node | undefined;
  isOpen: boolean;
}

const PREVIEW_LENGTH = 200;
const OPEN_AT_FIRST = 200;
const MOST_MATCHES = 1_000;

export class JsonTree {
  private rows: Node[];
  private matches: (readonly (string | number)[])[] = [];
  private matchTexts = new Set<string>();

  constructor(text: string) {
    const root = { key: undefined, value: JSON.parse(text), depth: 0, parent: undefined };
    this.rows = [{ ...root, isOpen: false }];
    this.openFirst();
  }

  get state(): JsonState {
    return { rowCount: this.rows.length, matchCount: this.matches.length };
  }

  read(first: number, last: number): JsonRow[] {
    return this.rows.slice(first, last).map((node) => this.describe(node));
  }

  toggle(index: number): void {
    const node = this.rows[index];
    if (!node || getSize(node.value) === 0) return;
    if (node.isOpen) this.close(index, node);
    else this.open(index, node);
  }

  /** Find the text in keys and leaves, without regard to case. */
  search(text: string): void {
    this.matches = [];
    this.matchTexts = new Set();
    const wanted = text.toLowerCase();
    if (wanted === "") return;
    const waiting: { path: readonly (string | number)[]; value: unknown }[] = [
      { path: [], value: this.rows[0]?.value },
    ];
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const { path, value } = next;
      const key = path.at(-1);
      const isKey = typeof key === "string" && key.toLowerCase().includes(wanted);
      const isValue = !isContainer(value) && String(value).toLowerCase().includes(wanted);
      if (isKey || isValue) {
        this.matches.push(path);
        this.matchTexts.add(JSON.stringify(path));
        if (this.matches.length >= MOST_MATCHES) return;
      }
      const children = getEntries(value).map(([step, child]) => ({
        path: [...path, step],
        value: child,
      }));
      waiting.push(...children.reverse());
    }
  }

  /** Open what contains a match; the result is its row. */
  reveal(match: number): number {
    const path = this.matches[match];
    if (!path) return -1;
    let index = 0;
    for (const step of path) {
      const node = this.rows[index];
      if (!node) return -1;
      if (!node.isOpen) this.open(index, node);
      index = this.findChild(index, node, step);
    }
    return index;
  }

  /** The value as text, for the clipboard. */
  copy(index: number): string {
    const value = this.rows[index]?.value;
    return typeof value === "string" ? value : JSON.stringify(value, undefined, 2);
  }

  private openFirst(): void {
    for (let index = 0; index < this.rows.length && this.rows.length < OPEN_AT_FIRST; index += 1) {
      const node = this.rows[index] as Node;
      if (node.depth < 3 && this.rows.length + getSize(node.value) < OPEN_AT_FIRST) {
        this.open(index, node);
      } else if (node.depth === 0) {
        this.open(index, node);
      }
    }
  }

  private open(index: number, node: Node): void {
    if (node.isOpen || !isContainer(node.value)) return;
    node.isOpen = true;
    const depth = node.depth + 1;
    const children = getEntries(node.value).map(
      ([key, value]): Node => ({ key, value, depth, parent: node, isOpen: false }),
    );
    this.rows = [...this.rows.slice(0, index + 1), ...children, ...this.rows.slice(index + 1)];
  }

  private close(index: number, node: Node): void {
    node.isOpen = false;
    let end = index + 1;
    while (end < this.rows.length && (this.rows[end] as Node).depth > node.depth) end += 1;
    this.rows = [...this.rows.slice(0, index + 1), ...this.rows.slice(end)];
  }

  private findChild(index: number, parent: Node, step: string | number): number {
    for (let at = index + 1; at < this.rows.length; at += 1) {
      const node = this.rows[at] as Node;
      if (node.depth <= parent.depth) return -1;
      if (node.parent === parent && node.key === step) return at;
    }
    return -1;
  }

  private describe(node: Node): JsonRow {
    const path = getPath(node);
    return {
      path,
      depth: node.depth,
      kind: getKind(node.value),
      preview: isContainer(node.value) ? "" : preview(node.value),
      size: getSize(node.value),
      isOpen: node.isOpen,
      isMatch: this.matchTexts.size > 0 && this.matchTexts.has(JSON.stringify(path)),
    };
  }
}

function getPath(node: Node): (string | number)[] {
  const path: (string | number)[] = [];
  for (let at: Node | undefined = node; at?.key !== undefined; at = at.parent) path.push(at.key);
  return path.reverse();
}

function isContainer(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function getKind(value: unknown): JsonKind {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value as JsonKind;
}

function getSize(value: unknown): number {
  if (!isContainer(value)) return 0;
  return Array.isArray(value) ? value.length : Object.keys(value).length;
}

function getEntries(value: unknown): [string | number, unknown][] {
  if (Array.isArray(value)) return value.map((entry, index) => [index, entry]);
  return isContainer(value) ? Object.entries(value) : [];
}

function preview(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > PREVIEW_LENGTH ? `${text.slice(0, PREVIEW_LENGTH)}…` : text;
}

/** `$.pages[0]["a b"]` */
export function printPath(path: readonly (string | number)[]): string {
  const steps = path.map((step) => {
    if (typeof step === "number") return `[${step}]`;
    return /^[A-Za-z_]\w*$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
  });
  return `$${steps.join("")}`;
}
