import { IDBFactory } from "fake-indexeddb";
import { describe, expect, it } from "vitest";
import { IndexedDbPersistence, type SavedChange } from "./persistence";
import { buildRow } from "./testing";

const position = { cursor: "1-0", older: null, syncedAt: 1 };

function change(values: Partial<SavedChange>): SavedChange {
  return { put: [], removed: [], unread: [], bottom: undefined, position, ...values };
}

describe("IndexedDbPersistence", () => {
  it("continues with the rows and the position that belong together", async () => {
    const factory = new IDBFactory();
    const first = new IndexedDbPersistence("ann", "1", factory);
    expect(await first.load()).toBeUndefined();
    await first.save(change({ put: [buildRow(), buildRow({ id: "job-2" })], removed: undefined }));
    await first.save(change({ removed: ["job-2"], unread: [["job-1", "x"]] }));
    const saved = await new IndexedDbPersistence("ann", "1", factory).load();
    expect(saved).toEqual({
      rows: [buildRow()],
      unread: [["job-1", "x"]],
      bottom: undefined,
      position,
    });
  });

  it.each([
    ["another user", "bob", "1"],
    ["another version", "ann", "2"],
  ])("keeps nothing for %s", async (_, user, stamp) => {
    const factory = new IDBFactory();
    await new IndexedDbPersistence("ann", "1", factory).save(change({ put: [buildRow()] }));
    expect(await new IndexedDbPersistence(user, stamp, factory).load()).toBeUndefined();
    expect(await new IndexedDbPersistence("ann", "1", factory).load()).toBeUndefined();
  });

  it("wipes everything", async () => {
    const factory = new IDBFactory();
    const persistence = new IndexedDbPersistence("ann", "1", factory);
    await persistence.save(change({ put: [buildRow()] }));
    await persistence.wipe();
    expect(await persistence.load()).toBeUndefined();
  });

  it("does without IndexedDB", async () => {
    const persistence = new IndexedDbPersistence("ann", "1", undefined);
    await persistence.save(change({ put: [buildRow()] }));
    expect(await persistence.load()).toBeUndefined();
  });
});
