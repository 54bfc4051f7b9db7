import { defineStrings, type Translate } from "@/lib/i18n/strings";
import type { Span } from "./spans";

export const detailStrings = defineStrings({
  back: { en: "Jobs", de: "Jobs" },
  within: { en: "in", de: "in" },
  position: { en: "{at} of {count}", de: "{at} von {count}" },
  previousJob: { en: "Previous job of the list", de: "Voriger Job der Liste" },
  nextJob: { en: "Next job of the list", de: "Nächster Job der Liste" },
  editAndRun: { en: "Edit and run", de: "Bearbeiten und starten" },
  retry: { en: "Retry", de: "Wiederholen" },
  cancel: { en: "Cancel job", de: "Job abbrechen" },
  started: { en: "started", de: "begonnen" },
  submitted: { en: "submitted", de: "gesendet" },
  took: { en: "took", de: "dauerte" },
  working: { en: "working", de: "Arbeit" },
  tries: { en: "tries", de: "Versuche" },
  triesOf: { en: "{attempts} of {most}", de: "{attempts} von {most}" },
  from: { en: "from", de: "von" },
  correlation: { en: "Correlation", de: "Korrelation" },
  nowQueued: { en: "Waiting", de: "Wartet" },
  nowRunning: { en: "Attempt {attempt} runs", de: "Versuch {attempt} läuft" },
  nowDone: { en: "Done on attempt {attempt}", de: "Erledigt in Versuch {attempt}" },
  nowFailed: {
    en: { one: "Failed after {count} attempt", other: "Failed after {count} attempts" },
    de: { one: "Gescheitert nach {count} Versuch", other: "Gescheitert nach {count} Versuchen" },
  },
  nowCancelled: { en: "Cancelled", de: "Abgebrochen" },
  filesKept: {
    en: { one: "{count} file", other: "{count} files" },
    de: { one: "{count} Datei", other: "{count} Dateien" },
  },
  ended: { en: "ended {time}", de: "beendet {time}" },
  needsRetry: { en: "Retry, or edit and run", de: "Wiederholen oder bearbeiten" },
  needsNothing: { en: "Nothing", de: "Nichts" },
  retriedItself: {
    en: {
      one: "{count} attempt failed and was repeated by itself",
      other: "{count} attempts failed and were repeated by themselves",
    },
    de: {
      one: "{count} Versuch scheiterte und wurde von selbst wiederholt",
      other: "{count} Versuche scheiterten und wurden von selbst wiederholt",
    },
  },
  noNeed: { en: "It needs no one", de: "Es braucht niemanden" },
  unit: { en: "1 unit", de: "1 Einheit" },
  unitHeld: { en: "1 unit held", de: "1 Einheit vorgemerkt" },
  free: { en: "Nothing", de: "Nichts" },
  chargedReason: {
    en: "Charged once. Waiting and failed attempts are free",
    de: "Einmal berechnet. Warten und gescheiterte Versuche kosten nichts",
  },
  heldReason: {
    en: "Charged if it completes, otherwise returned",
    de: "Berechnet, wenn es gelingt, sonst zurückgegeben",
  },
  freeReason: { en: "Only completed jobs are charged", de: "Nur erledigte Jobs kosten etwas" },
  freeType: { en: "This task type is free", de: "Dieser Aufgabentyp kostet nichts" },
  timeline: { en: "Timeline", de: "Verlauf" },
  span: { en: "Span", de: "Abschnitt" },
  spans: { en: "Spans", de: "Abschnitte" },
  allSpans: { en: "All", de: "Alle" },
  failedSpans: { en: "Failed {count}", de: "Gescheitert {count}" },
  noSpans: { en: "No span of this kind", de: "Kein solcher Abschnitt" },
  zoomIn: { en: "Zoom in", de: "Vergrößern" },
  zoomOut: { en: "Zoom out", de: "Verkleinern" },
  waiting: { en: "Waiting", de: "Warten" },
  pickup: { en: "for a worker", de: "auf einen Worker" },
  backOff: { en: "Back-off", de: "Pause" },
  attempt: { en: "Attempt {attempt}", de: "Versuch {attempt}" },
  charge: { en: "Charge", de: "Berechnung" },
  chargedOnce: { en: "1 unit, once", de: "1 Einheit, einmal" },
  failedFree: { en: "failed, not charged", de: "gescheitert, nicht berechnet" },
  linkToSpan: { en: "Link to span", de: "Link zum Abschnitt" },
  start: { en: "Start", de: "Beginn" },
  duration: { en: "Duration", de: "Dauer" },
  stillRunning: { en: "still running", de: "läuft noch" },
  reason: { en: "Reason", de: "Grund" },
  outcome: { en: "Outcome", de: "Ergebnis" },
  limit: { en: "Limit", de: "Grenze" },
  usageEvent: { en: "Usage event", de: "Verbrauchseintrag" },
  stepsReported: {
    en: "The worker reports how long a step took, and not when it began: steps are drawn one after the other.",
    de: "Der Worker meldet die Dauer eines Schritts, nicht seinen Beginn: Schritte stehen hintereinander.",
  },
  result: { en: "Result", de: "Ergebnis" },
  noResultYet: {
    en: "The result appears here when the job has completed.",
    de: "Das Ergebnis erscheint hier, wenn der Job erledigt ist.",
  },
  noResultFailed: {
    en: "The job failed, so there is no result.",
    de: "Der Job ist gescheitert, es gibt kein Ergebnis.",
  },
  noResultCancelled: {
    en: "The job was cancelled, so there is no result.",
    de: "Der Job wurde abgebrochen, es gibt kein Ergebnis.",
  },
  tab_text: { en: "Text", de: "Text" },
  tab_markdown: { en: "Markdown", de: "Markdown" },
  tab_table: { en: "Table", de: "Tabelle" },
  tab_json: { en: "JSON", de: "JSON" },
  tab_files: { en: "Files {count}", de: "Dateien {count}" },
  parameters: { en: "Parameters", de: "Parameter" },
  removedParams: {
    en: "Removed after the retention period",
    de: "Nach der Aufbewahrungsfrist gelöscht",
  },
  hosts: { en: "Hosts", de: "Hosts" },
  hostsAbout: {
    en: "every connection passes the egress check",
    de: "jede Verbindung wird geprüft",
  },
  refused: { en: "refused: {reason}", de: "abgelehnt: {reason}" },
  connections: {
    en: { one: "{count} connection", other: "{count} connections" },
    de: { one: "{count} Verbindung", other: "{count} Verbindungen" },
  },
  download: { en: "Download", de: "Herunterladen" },
  open: { en: "Open", de: "Öffnen" },
  searchJson: { en: "Search keys and values", de: "Schlüssel und Werte suchen" },
  matches: { en: "{at} of {count}", de: "{at} von {count}" },
  noMatches: { en: "no match", de: "kein Treffer" },
  nextMatch: { en: "Next match", de: "Nächster Treffer" },
  previousMatch: { en: "Previous match", de: "Voriger Treffer" },
  copyPath: { en: "Copy path", de: "Pfad kopieren" },
  copyValue: { en: "Copy value", de: "Wert kopieren" },
  expandAll: { en: "Expand", de: "Aufklappen" },
  items: {
    en: { one: "{count} item", other: "{count} items" },
    de: { one: "{count} Eintrag", other: "{count} Einträge" },
  },
  jsonBroken: { en: "This is not valid JSON", de: "Das ist kein gültiges JSON" },
  jsonLoading: { en: "The document is being read", de: "Das Dokument wird gelesen" },
  copyIdOf: { en: "Copy the id", de: "Kennung kopieren" },
  attempts: { en: "Attempts side by side", de: "Versuche nebeneinander" },
  step: { en: "Step", de: "Schritt" },
  total: { en: "Total", de: "Gesamt" },
  notLoaded: { en: "The job is loading", de: "Der Job wird geladen" },
  truncated: { en: "Cut off by the worker", de: "Vom Worker gekürzt" },
  rowsShown: { en: "{shown} of {count} rows", de: "{shown} von {count} Zeilen" },
});

export type DetailText = Translate<typeof detailStrings>;

export function getSpanName(span: Span, t: DetailText): string {
  switch (span.kind) {
    case "wait":
      if (span.depth === 1) return t("pickup");
      return span.attempt === undefined || span.attempt === 1 ? t("waiting") : t("backOff");
    case "attempt":
      return t("attempt", { attempt: span.attempt ?? 1 });
    case "step":
      return (span.name ?? "").replaceAll("_", " ");
    case "charge":
      return t("charge");
  }
}
