import { defineStrings } from "@/lib/i18n/strings";

/** What does not agree; in English, the words of `deploy/verify/verify_invoice.py`. */
export const verifyStrings = defineStrings({
  missing: { en: "entry {seq} is missing", de: "Eintrag {seq} fehlt" },
  outOfOrder: {
    en: "row {row} (entry {seq}) is added, or is not in its order",
    de: "Zeile {row} (Eintrag {seq}) ist hinzugefügt oder steht nicht an ihrer Stelle",
  },
  added: {
    en: "row {row} (entry {seq}) is added",
    de: "Zeile {row} (Eintrag {seq}) ist hinzugefügt",
  },
  notLast: { en: "entry {seq} is not the last", de: "Eintrag {seq} ist nicht der letzte" },
  noEntry: { en: "entry {seq} cannot be read", de: "Eintrag {seq} ist nicht lesbar" },
  wrongHash: {
    en: "entry {seq} is not what its hash says",
    de: "Eintrag {seq} ist nicht, was sein Hash sagt",
  },
  notSigned: {
    en: "entry {seq} is not the one that was signed",
    de: "Eintrag {seq} ist nicht der signierte",
  },
  badSignature: {
    en: "the signature of the statement about {subject} is not valid",
    de: "die Signatur der Aussage über {subject} ist ungültig",
  },
  wrongUnits: {
    en: "the entries charge {units} units, and the statement {signed}",
    de: "die Einträge berechnen {units} Einheiten, die Aussage {signed}",
  },
  otherInvoices: {
    en: "the statements are about different invoices",
    de: "die Aussagen betreffen verschiedene Rechnungen",
  },
  sameUsage: {
    en: "two statements are about the same usage",
    de: "zwei Aussagen betreffen dieselbe Nutzung",
  },
  wrongLines: {
    en: "the lines charge {charged} units, and the entries {units}",
    de: "die Posten berechnen {charged} Einheiten, die Einträge {units}",
  },
  wrongAmount: {
    en: "line {id} charges {amount}, but {quantity} times {price} is {due}",
    de: "Posten {id} berechnet {amount}, aber {quantity} mal {price} ist {due}",
  },
  noProof: {
    en: "this is no proof of an invoice's usage",
    de: "dies ist kein Nachweis der Nutzung einer Rechnung",
  },
  okTitle: { en: "The proof is right.", de: "Der Nachweis stimmt." },
  okPart: {
    en: "Entries {first} to {last} charge {units} units; the signature is valid.",
    de: "Die Einträge {first} bis {last} berechnen {units} Einheiten; die Signatur ist gültig.",
  },
  okHead: { en: "Head {head}, signed by {key}", de: "Ende {head}, signiert von {key}" },
  wrongTitle: { en: "The proof is not right.", de: "Der Nachweis stimmt nicht." },
  more: { en: "and {count} more", de: "und {count} weitere" },
  unreadable: { en: "The proof cannot be read.", de: "Der Nachweis ist nicht lesbar." },
  unsupported: {
    en: "This browser cannot verify signatures.",
    de: "Dieser Browser kann keine Signaturen prüfen.",
  },
  byYourself: {
    en: "Check the file yourself with verify_invoice.py; it needs no account.",
    de: "Prüfen Sie die Datei selbst mit verify_invoice.py; ein Konto ist nicht nötig.",
  },
});
