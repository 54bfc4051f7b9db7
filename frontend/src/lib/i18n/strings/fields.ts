import { defineStrings } from "../strings";

/** Of fields that come from a JSON Schema. */
export const fieldStrings = defineStrings({
  linesHint: { en: "One a line", de: "Eins je Zeile" },
  jsonHint: { en: "As JSON", de: "Als JSON" },
  secretHint: {
    en: "Sealed when it is sent, and never kept as a draft",
    de: "Wird beim Senden versiegelt und nie als Entwurf gespeichert",
  },
  unset: { en: "Default", de: "Vorgabe" },
  default: { en: "Default: {value}", de: "Vorgabe: {value}" },
  err_required: { en: "This is needed", de: "Das wird gebraucht" },
  err_not_a_url: {
    en: "An address begins with https:// or http://",
    de: "Eine Adresse beginnt mit https:// oder http://",
  },
  err_not_an_integer: { en: "A whole number", de: "Eine ganze Zahl" },
  err_not_json: { en: "This is not valid JSON", de: "Das ist kein gültiges JSON" },
  err_too_small: { en: "At least {limit}", de: "Mindestens {limit}" },
  err_too_large: { en: "At most {limit}", de: "Höchstens {limit}" },
  err_too_long: { en: "At most {limit} characters", de: "Höchstens {limit} Zeichen" },
});
