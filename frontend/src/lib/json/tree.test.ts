import { describe, expect, it } from "vitest";
import { JsonServer } from "./server";
import { JsonTree, printPath } from "./tree";

const text = JSON.stringify({
  title: "Docs",
  pages: [
    { url: "https://example.com/", depth: 0, "content type": "text/html" },
    { url: "https://example.com/slow", depth: 1, reason: null },
  ],
});

describe("JsonTree", () => {
  it("shows the first levels, and opens and closes a row", () => {
    const tree = new JsonTree(text);
    expect(tree.state.rowCount).toBe(11);
    tree.toggle(2);
    expect(tree.read(0, 9).map((row) => printPath(row.path))).toEqual(["$", "$.title", "$.pages"]);
    tree.toggle(2);
    expect(tree.read(3, 4)[0]).toMatchObject({ depth: 2, kind: "object", size: 3, isOpen: false });
  });

  it("finds keys and values, and opens what contains them", () => {
    const tree = new JsonTree(text);
    tree.toggle(2);
    tree.search("SLOW");
    expect(tree.state.matchCount).toBe(1);
    const index = tree.reveal(0);
    const [row] = tree.read(index, index + 1);
    expect(printPath(row?.path ?? [])).toBe("$.pages[1].url");
    expect(row?.isMatch).toBe(true);
    expect(tree.copy(index)).toBe("https://example.com/slow");
  });

  it("prints names that are no words in quotes", () => {
    expect(printPath(["pages", 0, "content type"])).toBe('$.pages[0]["content type"]');
  });

  it("reads ten megabytes", () => {
    const row = { url: "https://example.com/page", title: "A page", words: [1, 2, 3], ok: true };
    const items = Array.from({ length: 120_000 }, (_, id) => ({ id, ...row }));
    const large = JSON.stringify({ items });
    expect(large.length).toBeGreaterThan(10_000_000);
    const server = new JsonServer();
    server.answer({ kind: "parse", text: large });
    server.answer({ kind: "search", text: "page" });
    const { rows, state } = server.answer({ kind: "read", first: 0, last: 40 });
    expect(rows?.length).toBe(Math.min(40, state.rowCount));
  });
});
