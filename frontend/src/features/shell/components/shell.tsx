"use client";

import { Keyboard, LogOut, Moon, Plus, Sparkles, Sun } from "lucide-react";
import { useRouter } from "next/navigation";
import { lazy, type ReactNode, Suspense, useEffect, useMemo, useState } from "react";
import { useTheme } from "@/app/providers";
import { useConfig, useFlag, useIsOperator } from "@/lib/auth/provider";
import { signOut } from "@/lib/auth/sign-out";
import { type Command, useCommands } from "@/lib/commands/registry";
import { useStrings } from "@/lib/i18n/provider";
import { shellStrings } from "@/lib/i18n/strings/shell";
import { useKeyboard, useKeys } from "@/lib/keyboard/use-keys";
import { preload } from "@/lib/preload";
import { startSentry } from "@/lib/sentry";
import { preloadDialog } from "@/ui/dialog";
import { useJobCommands } from "../job-commands";
import { AGENTS_FLAG, destinations } from "../navigation";
import { KeyFooter, KeySheet } from "./key-hints";
import { Notices } from "./notices";
import { Sidebar } from "./sidebar";
import { TabBar } from "./tab-bar";

const loadCommandMenu = () => import("./command-menu");
const CommandMenu = lazy(() =>
  loadCommandMenu().then((loaded) => ({ default: loaded.CommandMenu })),
);
const PRELOAD_AFTER_MS = 1_500;

/** What is opened by a key is loaded before, when the page has become quiet. */
function usePreloading(): void {
  useEffect(() => {
    const timer = setTimeout(() => {
      preload(loadCommandMenu);
      preloadDialog();
    }, PRELOAD_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);
}

function useShellCommands(openKeys: () => void): readonly Command[] {
  const t = useStrings(shellStrings);
  const router = useRouter();
  const operator = useIsOperator();
  const agents = useFlag(AGENTS_FLAG);
  const { theme, setTheme } = useTheme();
  return useMemo(() => {
    const pages = destinations({ operator, agents }).map(
      ({ href, label, icon: Icon, binding }): Command => ({
        id: `go${href.replaceAll("/", "-")}`,
        title: t(label),
        group: t("pages"),
        icon: <Icon aria-hidden />,
        ...(binding ? { binding } : {}),
        run: () => router.push(href),
      }),
    );
    const other = theme === "dark" ? "light" : "dark";
    const group = t("actions");
    return [
      ...pages,
      {
        id: "new-job",
        title: t("newJob"),
        group,
        icon: <Plus aria-hidden />,
        binding: "newJob",
        run: () => router.push("/jobs/new"),
      },
      ...(agents
        ? [
            {
              id: "new-run",
              title: t("newRun"),
              group,
              icon: <Sparkles aria-hidden />,
              run: () => router.push("/agents/new"),
            },
          ]
        : []),
      {
        id: "theme",
        title: t(other === "light" ? "lightTheme" : "darkTheme"),
        group,
        icon: other === "light" ? <Sun aria-hidden /> : <Moon aria-hidden />,
        run: () => setTheme(other),
      },
      {
        id: "keys",
        title: t("keysTitle"),
        group,
        icon: <Keyboard aria-hidden />,
        binding: "help",
        run: openKeys,
      },
      {
        id: "sign-out",
        title: t("signOut"),
        group,
        icon: <LogOut aria-hidden />,
        run: () => void signOut(),
      },
    ];
  }, [t, router, operator, agents, theme, setTheme, openKeys]);
}

/** The frame of every page for signed-in users. */
export function Shell({ children }: { children: ReactNode }) {
  const t = useStrings(shellStrings);
  const router = useRouter();
  const [menu, setMenu] = useState<"commands" | "keys" | null>(null);
  const toggle = (name: "commands" | "keys") => (open: boolean) => setMenu(open ? name : null);
  const openKeys = useMemo(() => () => setMenu("keys"), []);
  const { sentryDsn: dsn, environment, release } = useConfig();
  useEffect(() => {
    void startSentry({ dsn, environment, release });
  }, [dsn, environment, release]);
  const agents = useFlag(AGENTS_FLAG);
  useKeyboard();
  usePreloading();
  useKeys({
    commands: () => setMenu((before) => (before === "commands" ? null : "commands")),
    help: openKeys,
    newJob: () => router.push("/jobs/new"),
    goJobs: () => router.push("/jobs"),
    ...(agents && { goAgents: () => router.push("/agents") }),
    goUsage: () => router.push("/usage"),
    goKeys: () => router.push("/keys"),
    goSettings: () => router.push("/settings"),
  });
  useCommands(useShellCommands(openKeys));
  useJobCommands();
  return (
    <div className="grid min-h-dvh grid-cols-[minmax(0,1fr)] tablet:grid-cols-[56px_minmax(0,1fr)] wide:grid-cols-[var(--w-side)_minmax(0,1fr)]">
      <a
        href="#main"
        className="-top-16 absolute left-4 z-50 rounded-md bg-raised px-3 py-2 focus:top-3"
      >
        {t("skip")}
      </a>
      <Sidebar />
      <div className="flex min-w-0 flex-col max-tablet:pb-15">
        <main id="main" tabIndex={-1} className="flex min-w-0 flex-1 flex-col outline-none">
          <Notices />
          {children}
        </main>
        <KeyFooter />
      </div>
      <TabBar onMore={() => setMenu("commands")} />
      {menu === "commands" ? (
        <Suspense fallback={null}>
          <CommandMenu open onOpenChange={toggle("commands")} />
        </Suspense>
      ) : null}
      <KeySheet open={menu === "keys"} onOpenChange={toggle("keys")} />
    </div>
  );
}
