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
  forgotten: { en: "Forgot your password?", de: "Passwort vergessen?" },
  byLink: { en: "Sign in by email", de: "Mit E-Mail anmelden" },
  withPassword: { en: "Sign in with a password", de: "Mit Passwort anmelden" },
  recoveryTitle: { en: "Choose a new password", de: "Neues Passwort wählen" },
  recoveryAbout: {
    en: "A link signs you in and leads to the settings, where you set it.",
    de: "Ein Link meldet Sie an und führt zu den Einstellungen, wo Sie es setzen.",
  },
  linkTitle: { en: "Sign in by email", de: "Mit E-Mail anmelden" },
  linkAbout: {
    en: "You get a link that signs you in, without a password.",
    de: "Sie bekommen einen Link, der Sie ohne Passwort anmeldet.",
  },
  send: { en: "Send the link", de: "Link senden" },
  sent: {
    en: "If {email} has an account, a link is on its way. It works once, in this browser.",
    de: "Wenn {email} ein Konto hat, ist ein Link unterwegs. Er gilt einmal, in diesem Browser.",
  },
  outboxAbout: {
    en: "This installation sends no mail:",
    de: "Diese Installation verschickt keine E-Mail:",
  },
  outbox: { en: "open its outbox", de: "zum Postausgang" },
  linkRefused: {
    en: "This link is not valid any more, or was asked for in another browser.",
    de: "Dieser Link gilt nicht mehr oder kommt aus einem anderen Browser.",
  },
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
