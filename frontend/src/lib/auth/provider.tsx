"use client";

import { createContext, type ReactNode, useContext } from "react";
import { api, read } from "@/lib/api/client";
import type { components } from "@/lib/api/schema";
import type { PublicConfig } from "@/lib/config/server";
import { useResource } from "@/lib/resource";

export type Me = components["schemas"]["Me"];
export type Plan = components["schemas"]["Plan"];

type Session = { me: Me; flags: Readonly<Record<string, boolean>>; config: PublicConfig };

const Context = createContext<Session | null>(null);

export function AuthProvider({ children, ...session }: Session & { children: ReactNode }) {
  return <Context.Provider value={session}>{children}</Context.Provider>;
}

function useSession(): Session {
  const session = useContext(Context);
  if (!session) throw new Error("There is no AuthProvider above this component.");
  return session;
}

/** The signed-in user as the page was rendered. */
export function useUser(): Me {
  return useSession().me;
}

export function useIsOperator(): boolean {
  return useUser().role === "operator";
}

/** The user with the present counters, read again every minute. */
export function useAccount(): Me & { reload: () => void } {
  const first = useUser();
  const { data, reload } = useResource(
    `me:${first.id}`,
    (signal) => read(api.GET("/me", { signal })),
    {
      everyMs: 60_000,
    },
  );
  return { ...(data ?? first), reload };
}

export function useConfig(): PublicConfig {
  return useSession().config;
}

/**
 * A flag is read-only here: on when the gateway turns it on for the user, unless this installation
 * of the dashboard turns it off.
 */
export function useFlag(name: string): boolean {
  const { flags, config } = useSession();
  return (flags[name] ?? false) && config.flags[name] !== false;
}
