import { type JsonAnswer, type JsonRequest, JsonServer } from "./server";

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
