"use client";

import { onSignOut } from "@/lib/auth/sign-out";

/** What was typed and not sent yet, in IndexedDB, of one user; never anything that may be secret. */

export interface Draft {
  readonly taskType: string;
  readonly params: Readonly<Record<string, unknown>>;
}

const DATABASE = "drafts";
const STORE = "drafts";
const KEY = "new-job";

interface Stored {
  readonly owner: string;
  readonly draft: Draft;
}

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function run<T>(act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T | undefined> {
  try {
    const database = await open();
    return await new Promise<T>((resolve, reject) => {
      const request = act(database.transaction(STORE, "readwrite").objectStore(STORE));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
      request.transaction?.addEventListener("complete", () => database.close());
    });
  } catch {
    return undefined; // Without IndexedDB there are no drafts.
  }
}

export async function loadDraft(owner: string): Promise<Draft | undefined> {
  const stored = await run<Stored | undefined>((store) => store.get(KEY));
  if (stored && stored.owner !== owner) await clearDraft();
  return stored?.owner === owner ? stored.draft : undefined;
}

export async function saveDraft(owner: string, draft: Draft): Promise<void> {
  await run((store) => store.put({ owner, draft } satisfies Stored, KEY));
}

export async function clearDraft(): Promise<void> {
  await run((store) => store.clear());
}

onSignOut(clearDraft);
