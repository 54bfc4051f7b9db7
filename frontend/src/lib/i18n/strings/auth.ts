import { defineStrings } from "../strings";

export const authStrings = defineStrings({
  signIn: { en: "Sign in", de: "Anmelden" },
  signUp: { en: "Create account", de: "Konto erstellen" },
  signOut: { en: "Sign out", de: "Abmelden" },
  email: { en: "Email", de: "E-Mail" },
  password: { en: "Password", de: "Passwort" },
  name: { en: "Name", de: "Name" },
  passwordHint: { en: "At least {count} characters.", de: "Mindestens {count} Zeichen." },
  noAccount: { en: "No account yet?", de: "Noch kein Konto?" },
  haveAccount: { en: "Already have an account?", de: "Schon ein Konto?" },
  promise: {
    en: "Send a page, watch it run, pay for what was completed.",
    de: "Eine Seite schicken, zusehen, nur Erledigtes bezahlen.",
  },
  firstSteps: {
    en: "The free plan has 100 jobs a month and needs no card.",
    de: "Der freie Plan hat 100 Jobs im Monat und braucht keine Karte.",
  },
  wrong: {
    en: "Email or password is not right.",
    de: "E-Mail oder Passwort stimmt nicht.",
  },
  tooMany: {
    en: "Too many attempts. Wait a minute, then try again.",
    de: "Zu viele Versuche. Bitte eine Minute warten.",
  },
  taken: {
    en: "There is an account with this email already. Sign in instead.",
    de: "Zu dieser E-Mail gibt es schon ein Konto. Bitte anmelden.",
  },
  weak: {
    en: "This password is too weak. Choose a longer one.",
    de: "Dieses Passwort ist zu schwach. Bitte ein längeres wählen.",
  },
  banned: {
    en: "This account is blocked. Ask the operator of this installation.",
    de: "Dieses Konto ist gesperrt. Bitte an den Betreiber wenden.",
  },
  confirm: {
    en: "Confirm your email with the link that was sent to you, then sign in.",
    de: "Bitte die E-Mail über den zugesandten Link bestätigen und dann anmelden.",
  },
  missing: { en: "Enter your email and your password.", de: "Bitte E-Mail und Passwort eingeben." },
  unavailable: {
    en: "Signing in does not work at the moment. Try again shortly.",
    de: "Die Anmeldung ist gerade nicht möglich. Bitte gleich noch einmal versuchen.",
  },
});
