import { api, read } from "@/lib/api/client";
import type { components } from "@/lib/api/schema";
import { useResource } from "@/lib/resource";

type Schemas = components["schemas"];
export type TopicState = Schemas["TopicStates"]["items"][number];
export type Circuits = Schemas["Circuits"];
export type Letter = Schemas["LetterSummary"];
export type LetterState = Schemas["LetterState"];
export type Flag = Schemas["FlagState"];
export type FlagSetting = Schemas["FlagSetting"];

export function useHealth() {
  return useResource(
    "ops:health",
    async (signal) => {
      const [topics, circuits] = await Promise.all([
        read(api.GET("/ops/topics", { signal })),
        read(api.GET("/ops/circuits", { signal })),
      ]);
      return { topics: topics.items, ...circuits };
    },
    { everyMs: 5_000 },
  );
}

export function readLetters(state: LetterState, cursor: string | null, signal?: AbortSignal) {
  const query = { state, limit: 50, ...(cursor ? { cursor } : {}) };
  return read(api.GET("/ops/dead-letters", { params: { query }, ...(signal ? { signal } : {}) }));
}

export function useLetters(state: LetterState) {
  return useResource(`ops:letters:${state}`, (signal) => readLetters(state, null, signal));
}

export function readLetter(id: string) {
  return read(api.GET("/ops/dead-letters/{letter_id}", { params: { path: { letter_id: id } } }));
}

export function replayLetters(ids: string[]) {
  const header = { "Idempotency-Key": crypto.randomUUID() };
  return read(api.POST("/ops/dead-letters/replay", { body: { ids }, params: { header } }));
}

export function resolveLetters(ids: string[], reason: string) {
  const header = { "Idempotency-Key": crypto.randomUUID() };
  return read(api.POST("/ops/dead-letters/resolve", { body: { ids, reason }, params: { header } }));
}

export function useFlags() {
  return useResource("ops:flags", (signal) => read(api.GET("/ops/flags", { signal })));
}

export async function setFlag(name: string, body: FlagSetting): Promise<void> {
  await api.PUT("/ops/flags/{name}", { params: { path: { name } }, body });
}

export async function unsetFlag(name: string, scope: string): Promise<void> {
  await api.DELETE("/ops/flags/{name}", { params: { path: { name }, query: { scope } } });
}

export type ListedUser = Schemas["ListedUser"];

export function useUsers(text: string) {
  return useResource(`ops:users:${text}`, (signal) =>
    read(api.GET("/ops/users", { params: { query: { q: text, limit: 50 } }, signal })),
  );
}

export async function setBan(user_id: string, banned: boolean, reason: string): Promise<void> {
  const body = { banned, reason };
  await read(api.PUT("/ops/users/{user_id}/ban", { params: { path: { user_id } }, body }));
}

export function useAudit() {
  return useResource("ops:audit", (signal) =>
    read(api.GET("/ops/audit", { params: { query: { limit: 100 } }, signal })),
  );
}
