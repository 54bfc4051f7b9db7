import type { JobRow } from "./rows";
import type { Position } from "./sync";

/** Rows with everything that is needed to continue from them. */
export interface Saved {
  readonly rows: readonly JobRow[];
  readonly unread: readonly (readonly [string, string])[];
  readonly bottom: string | undefined;
  readonly position: Position;
}

export interface SavedChange extends Omit<Saved, "rows"> {
  /** Undefined: `put` replaces everything. */
  readonly removed: readonly string[] | undefined;
  readonly put: readonly JobRow[];
}

export interface Persistence {
  load(): Promise<Saved | undefined>;
  save(change: SavedChange): Promise<void>;
  wipe(): Promise<void>;
}

const DATABASE = "own-data";
const ROWS = "jobs";
const META = "meta";

interface Meta extends Omit<Saved, "rows"> {
  readonly owner: string;
}

/**
 * The rows of one user in IndexedDB. Rows of another user, or of another version of the
 * dashboard, are deleted when it is opened. Every failure is ignored: the store works without.
 */
export class IndexedDbPersistence implements Persistence {
  private readonly owner: string;
  private database: Promise<IDBDatabase> | undefined;

  constructor(
    userId: string,
    stamp: string,
    private readonly factory: IDBFactory | undefined = globalThis.indexedDB,
  ) {
    this.owner = `${userId}@${stamp}`;
  }

  async load(): Promise<Saved | undefined> {
    try {
      const transaction = (await this.open()).transaction([ROWS, META], "readwrite");
      const meta = await settle<Meta | undefined>(transaction.objectStore(META).get(META));
      if (meta?.owner === this.owner) {
        const rows = await settle<JobRow[]>(transaction.objectStore(ROWS).getAll());
        const { unread, bottom, position } = meta;
        return { rows, unread, bottom, position };
      }
      transaction.objectStore(ROWS).clear();
      transaction.objectStore(META).clear();
      await complete(transaction);
    } catch {
      // Without IndexedDB, for example in a private window, the rows are read again.
    }
    return undefined;
  }

  async save({ put, removed, unread, bottom, position }: SavedChange): Promise<void> {
    try {
      const transaction = (await this.open()).transaction([ROWS, META], "readwrite");
      const rows = transaction.objectStore(ROWS);
      if (removed === undefined) rows.clear();
      for (const id of removed ?? []) rows.delete(id);
      for (const row of put) rows.put(row);
      const meta: Meta = { owner: this.owner, unread, bottom, position };
      transaction.objectStore(META).put(meta, META);
      await complete(transaction);
    } catch {
      // The next load starts from what was saved before, or from nothing.
    }
  }

  async wipe(): Promise<void> {
    try {
      const transaction = (await this.open()).transaction([ROWS, META], "readwrite");
      transaction.objectStore(ROWS).clear();
      transaction.objectStore(META).clear();
      await complete(transaction);
    } catch {
      // There is nothing to wipe.
    }
  }

  private open(): Promise<IDBDatabase> {
    this.database ??= new Promise((resolve, reject) => {
      if (!this.factory) throw new Error("no IndexedDB");
      const request = this.factory.open(DATABASE, 1);
      request.onupgradeneeded = () => {
        request.result.createObjectStore(ROWS, { keyPath: "id" });
        request.result.createObjectStore(META);
      };
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
      request.onblocked = () => reject(new Error("blocked"));
    });
    return this.database;
  }
}

function settle<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function complete(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error);
  });
}
