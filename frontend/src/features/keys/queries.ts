import { api, read } from "@/lib/api/client";
import { useUser } from "@/lib/auth/provider";
import { useResource } from "@/lib/resource";
import type { Key, NewKey, Scope } from "./model";

export function useKeysList() {
  const { id } = useUser();
  return useResource(`keys:${id}`, (signal) => read(api.GET("/api-keys", { signal })));
}

export type KeyDraft = {
  name: string;
  scopes: Scope[];
  expires_at: string | null;
  requests_per_minute: number | null;
};

export function createKey(draft: KeyDraft): Promise<NewKey> {
  return read(
    api.POST("/api-keys", {
      body: draft,
      params: { header: { "Idempotency-Key": crypto.randomUUID() } },
    }),
  );
}

export function rotateKey(id: string, grace_seconds: number): Promise<NewKey> {
  return read(
    api.POST("/api-keys/{key_id}/rotate", {
      body: { grace_seconds },
      params: { path: { key_id: id }, header: { "Idempotency-Key": crypto.randomUUID() } },
    }),
  );
}

export function revokeKey(id: string): Promise<Key> {
  return read(api.POST("/api-keys/{key_id}/revoke", { params: { path: { key_id: id } } }));
}
