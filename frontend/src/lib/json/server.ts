import { type JsonRow, type JsonState, JsonTree } from "./tree";

/** What can be asked of a document; each answer comes with the new state. */
export type JsonRequest =
  | { readonly kind: "parse"; readonly text: string }
  | { readonly kind: "read"; readonly first: number; readonly last: number }
  | { readonly kind: "toggle"; readonly index: number }
  | { readonly kind: "search"; readonly text: string }
  | { readonly kind: "reveal"; readonly match: number }
  | { readonly kind: "copy"; readonly index: number };

export interface JsonAnswer {
  readonly state: JsonState;
  readonly rows?: readonly JsonRow[];
  readonly index?: number;
  readonly text?: string;
}

/** Answers requests one after the other; it runs in a worker or in the page, and opens neither. */
export class JsonServer {
  private tree: JsonTree | undefined;

  answer(request: JsonRequest): JsonAnswer {
    if (request.kind === "parse") this.tree = new JsonTree(request.text);
    const { tree } = this;
    if (!tree) throw new Error("parse comes first");
    const extra = this.act(tree, request);
    return { state: tree.state, ...extra };
  }

  private act(tree: JsonTree, request: JsonRequest): Partial<JsonAnswer> {
    switch (request.kind) {
      case "read":
        return { rows: tree.read(request.first, request.last) };
      case "toggle":
        tree.toggle(request.index);
        return {};
      case "search":
        tree.search(request.text);
        return {};
      case "reveal":
        return { index: tree.reveal(request.match) };
      case "copy":
        return { text: tree.copy(request.index) };
      default:
        return {};
    }
  }
}
