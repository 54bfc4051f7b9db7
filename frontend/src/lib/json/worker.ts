import { type JsonRequest, JsonServer } from "./server";

/**
 * Parses and searches a large document beside the page.
 *
 * It must not import what opens a worker: Turbopack never ends a build with a worker that can
 * open itself (vercel/next.js#97399).
 */

const server = new JsonServer();

self.onmessage = ({ data }: MessageEvent<{ id: number; request: JsonRequest }>) => {
  try {
    self.postMessage({ id: data.id, answer: server.answer(data.request) });
  } catch (error) {
    self.postMessage({ id: data.id, error: error instanceof Error ? error.message : "" });
  }
};
