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

/** Answers requests one after the other; it runs in a worker or in the page. */
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

export interface JsonDocument {
  ask(request: JsonRequest): Promise<JsonAnswer>;
  close(): void;
}

interface Reply {
  readonly id: number;
  readonly answer?: JsonAnswer;
  readonly error?: string;
}

/** From this size on, parsing would be felt in the page. */
const WORKER_FROM = 200_000;

/** Open a document in the page or, when it is large, in a worker. */
export function openDocument(text: string): JsonDocument {
  const document =
    text.length < WORKER_FROM || typeof Worker === "undefined" ? inPage() : inWorker();
  return document;
}

function inPage(): JsonDocument {
  const server = new JsonServer();
  return { ask: async (request) => server.answer(request), close: () => undefined };
}

function inWorker(): JsonDocument {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  const waiting = new Map<number, (reply: Reply) => void>();
  let last = 0;
  worker.onmessage = ({ data }: MessageEvent<Reply>) => {
    waiting.get(data.id)?.(data);
    waiting.delete(data.id);
  };
  worker.onerror = (event) => {
    for (const [id, settle] of waiting) settle({ id, error: event.message });
    waiting.clear();
  };
  return {
    ask: (request) =>
      new Promise((resolve, reject) => {
        const id = ++last;
        waiting.set(id, ({ answer, error }) => {
          if (answer) resolve(answer);
          else reject(new Error(error));
        });
        worker.postMessage({ id, request });
      }),
    close: () => worker.terminate(),
  };
}
