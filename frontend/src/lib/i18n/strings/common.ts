import { defineStrings } from "../strings";

export const commonStrings = defineStrings({
  cancel: { en: "Cancel", de: "Abbrechen" },
  close: { en: "Close", de: "Schließen" },
  copied: { en: "Copied", de: "Kopiert" },
  copy: { en: "Copy", de: "Kopieren" },
  copyId: { en: "Copy the whole id of {id}", de: "Ganze Kennung von {id} kopieren" },
  loading: { en: "Loading", de: "Wird geladen" },
  notifications: { en: "Notifications", de: "Mitteilungen" },
  reference: { en: "Reference", de: "Referenz" },
  copyReference: { en: "Copy the reference", de: "Referenz kopieren" },
  save: { en: "Save", de: "Speichern" },
  tryAgain: { en: "Try again", de: "Erneut versuchen" },
  tryAgainIn: { en: "Try again in {seconds} s", de: "Erneut versuchen in {seconds} s" },
  none: { en: "–", de: "–" },
});
