import { defineStrings } from "../strings";

export const statusStrings = defineStrings({
  PENDING: { en: "Queued", de: "Wartet" },
  RUNNING: { en: "Running", de: "Läuft" },
  COMPLETED: { en: "Completed", de: "Erledigt" },
  FAILED: { en: "Failed", de: "Gescheitert" },
  CANCELLED: { en: "Cancelled", de: "Abgebrochen" },
});
