import { type JsonRequest, JsonServer } from "./document";

/** Parses and searches a large document beside the page. */

const server = new JsonServer();

self.onmessage = ({ data }: MessageEvent<{ id: number; request: JsonRequest }>) => {
  try {
    self.postMessage({ id: data.id, answer: server.answer(data.request) });
  } catch (error) {
    self.postMessage({ id: data.id, error: error instanceof Error ? error.message : "" });
  }
};
