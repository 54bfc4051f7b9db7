import "server-only";
import { z } from "zod";

/**
 * The environment of the process, read at run time and checked once: one image serves all
 * environments. Only what `publicConfig` returns reaches a browser.
 */

const schema = z.object({
  ENVIRONMENT: z.enum(["local", "test", "staging", "production"]),
  GATEWAY_URL: z.url(),
  SUPABASE_URL: z.url(),
  SUPABASE_ANON_KEY: z.string().min(1),
  NEXT_PUBLIC_API_URL: z.url().optional(),
  NEXT_PUBLIC_SITE_URL: z.url().optional(),
  NEXT_PUBLIC_EXAMPLE_SITE: z.url().optional(),
  NEXT_PUBLIC_SENTRY_DSN: z.string().optional(),
  NEXT_PUBLIC_RELEASE: z.string().default("development"),
});

export type ServerConfig = z.infer<typeof schema>;

export type PublicConfig = {
  environment: ServerConfig["ENVIRONMENT"];
  /** The address that examples show; programs call the gateway itself and not the dashboard. */
  apiUrl: string;
  /** A site that examples may visit: the demo site, where there is one. */
  exampleSite: string | null;
  sentryDsn: string | null;
  release: string;
  /** `NEXT_PUBLIC_FF_*`: what this installation turns on. The gateway's own flags decide as well. */
  flags: Readonly<Record<string, boolean>>;
};

export function parseConfig(environment: Record<string, string | undefined>): ServerConfig {
  const result = schema.safeParse(environment);
  if (!result.success) {
    const names = result.error.issues.map((issue) => issue.path.join(".")).join(", ");
    // Names only: a value may be secret.
    throw new Error(`These settings are missing or not valid: ${names}`);
  }
  return result.data;
}

export function parseFlags(environment: Record<string, string | undefined>) {
  const prefix = "NEXT_PUBLIC_";
  return Object.fromEntries(
    Object.entries(environment)
      .filter(([name]) => name.startsWith(`${prefix}FF_`))
      .map(([name, value]) => [name.slice(prefix.length), value === "true"]),
  );
}

let parsed: ServerConfig | undefined;

export function serverConfig(): ServerConfig {
  parsed ??= parseConfig(process.env);
  return parsed;
}

/** Cookies are for HTTPS only, except on a developer's machine. */
export function cookiesAreSecure(): boolean {
  return !["local", "test"].includes(serverConfig().ENVIRONMENT);
}

export function publicConfig(): PublicConfig {
  const config = serverConfig();
  return {
    environment: config.ENVIRONMENT,
    apiUrl: `${(config.NEXT_PUBLIC_API_URL ?? config.GATEWAY_URL).replace(/\/$/, "")}/api/v1`,
    exampleSite: config.NEXT_PUBLIC_EXAMPLE_SITE?.replace(/\/$/, "") ?? null,
    sentryDsn: config.NEXT_PUBLIC_SENTRY_DSN || null,
    release: config.NEXT_PUBLIC_RELEASE,
    flags: parseFlags(process.env),
  };
}
