import { defineStrings } from "../strings";

/** Texts for errors that the gateway did not answer itself; its problems bring their own. */
export const errorStrings = defineStrings({
  unreachableTitle: { en: "The server cannot be reached", de: "Der Server ist nicht erreichbar" },
  unreachableCause: {
    en: "The request did not get an answer. Running jobs are not affected.",
    de: "Die Anfrage blieb ohne Antwort. Laufende Jobs sind davon nicht betroffen.",
  },
  brokenTitle: { en: "This part of the page failed", de: "Dieser Teil der Seite ist ausgefallen" },
  brokenCause: {
    en: "The rest of the dashboard and your jobs are not affected.",
    de: "Der Rest der Oberfläche und Ihre Jobs sind davon nicht betroffen.",
  },
  signIn: { en: "Sign in", de: "Anmelden" },
  seeUsage: { en: "See usage", de: "Verbrauch ansehen" },
  choosePlan: { en: "Choose a larger plan", de: "Größeren Plan wählen" },
  changeSpendLimit: { en: "Change the spend limit", de: "Ausgabengrenze ändern" },
  payOpen: { en: "Pay what is open", de: "Offenes bezahlen" },
  toJobs: { en: "To the jobs", de: "Zu den Jobs" },
  notFoundTitle: { en: "Nothing is here", de: "Hier ist nichts" },
  notFoundCause: {
    en: "The page does not exist, or what it shows belongs to another user.",
    de: "Die Seite gibt es nicht, oder ihr Inhalt gehört jemand anderem.",
  },
  resetsAt: {
    en: "New jobs are accepted again on {date} UTC.",
    de: "Neue Jobs werden ab {date} UTC wieder angenommen.",
  },
});
