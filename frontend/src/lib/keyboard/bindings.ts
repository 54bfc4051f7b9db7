import { defineStrings } from "@/lib/i18n/strings";

/** Every key of the dashboard. The handlers, the hints and the sheet under `?` all come from here. */

export const bindingStrings = defineStrings({
  commands: { en: "commands", de: "Befehle" },
  help: { en: "all keys", de: "alle Tasten" },
  search: { en: "search", de: "suchen" },
  newJob: { en: "new job", de: "neuer Job" },
  goJobs: { en: "go to jobs", de: "zu den Jobs" },
  goAgents: { en: "go to agents", de: "zu den Agenten" },
  goUsage: { en: "go to usage", de: "zum Verbrauch" },
  goBilling: { en: "go to billing", de: "zur Abrechnung" },
  goKeys: { en: "go to API keys", de: "zu den API-Schlüsseln" },
  goSettings: { en: "go to settings", de: "zu den Einstellungen" },
  next: { en: "next", de: "weiter" },
  previous: { en: "previous", de: "zurück" },
  select: { en: "select", de: "auswählen" },
  selectAll: { en: "select all that are shown", de: "alle gezeigten auswählen" },
  open: { en: "open", de: "öffnen" },
  back: { en: "back", de: "zurück zur Liste" },
  pause: { en: "pause live", de: "Live anhalten" },
  copyId: { en: "copy id", de: "Kennung kopieren" },
  retry: { en: "retry", de: "wiederholen" },
  approve: { en: "approve", de: "freigeben" },
  cancelJob: { en: "cancel the job", de: "Job abbrechen" },
  edit: { en: "replay with edits", de: "bearbeitet wiederholen" },
});

export type BindingId = keyof typeof bindingStrings;
export type BindingGroup = "anywhere" | "list" | "job";

export type Binding = {
  /** `mod` is Control, or Command on a Mac; two keys in a row are separated by a space. */
  keys: string;
  group: BindingGroup;
  /** Also works while a text is typed or a dialog is open. */
  always?: boolean;
};

export const BINDINGS: Readonly<Record<BindingId, Binding>> = {
  commands: { keys: "mod+k", group: "anywhere", always: true },
  help: { keys: "?", group: "anywhere" },
  search: { keys: "/", group: "anywhere" },
  newJob: { keys: "n", group: "anywhere" },
  goJobs: { keys: "g j", group: "anywhere" },
  goAgents: { keys: "g a", group: "anywhere" },
  goUsage: { keys: "g u", group: "anywhere" },
  goBilling: { keys: "g b", group: "anywhere" },
  goKeys: { keys: "g k", group: "anywhere" },
  goSettings: { keys: "g s", group: "anywhere" },
  next: { keys: "j", group: "list" },
  previous: { keys: "k", group: "list" },
  select: { keys: "x", group: "list" },
  selectAll: { keys: "mod+a", group: "list" },
  open: { keys: "Enter", group: "list" },
  back: { keys: "Escape", group: "list" },
  pause: { keys: "p", group: "list" },
  copyId: { keys: "y", group: "job" },
  retry: { keys: "r", group: "job" },
  approve: { keys: "a", group: "job" },
  cancelJob: { keys: "c", group: "job" },
  edit: { keys: "e", group: "job" },
};

const NAMES: Record<string, string> = { Enter: "↵", Escape: "Esc" };

/** The keys as they are printed: `["⌘", "K"]`, `["G", "then", "J"]` without the word. */
export function printedKeys(id: BindingId, { mac }: { mac: boolean }): string[] {
  return BINDINGS[id].keys
    .split(/[ +]/)
    .map((key) => (key === "mod" ? (mac ? "⌘" : "Ctrl") : (NAMES[key] ?? key.toUpperCase())));
}
