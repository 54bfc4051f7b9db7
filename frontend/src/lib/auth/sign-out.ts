"use client";

import { clearResources } from "@/lib/resource";

/** What stores data of the user in the browser registers how to wipe it. */
const wipers = new Set<() => Promise<void> | void>();

export function onSignOut(wipe: () => Promise<void> | void): () => void {
  wipers.add(wipe);
  return () => void wipers.delete(wipe);
}

/** Wipes first, so that nothing stays when the request fails; then the page is loaded anew. */
export async function signOut(): Promise<void> {
  clearResources();
  await Promise.allSettled([...wipers].map((wipe) => wipe()));
  try {
    await fetch("/auth/signout", { method: "POST", redirect: "manual" });
  } finally {
    window.location.assign("/login");
  }
}
