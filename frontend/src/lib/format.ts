import type { Locale } from "./i18n/strings";

/** All moments are shown in UTC, and say so. */

type Moment = string | number | Date;

const cache = new Map<string, Intl.DateTimeFormat>();

function formatter(locale: Locale, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = locale + JSON.stringify(options);
  let found = cache.get(key);
  if (!found) {
    // en-GB: day before month and 24 hours, as in all texts here.
    found = new Intl.DateTimeFormat(locale === "en" ? "en-GB" : locale, {
      timeZone: "UTC",
      ...options,
    });
    cache.set(key, found);
  }
  return found;
}

export function formatDay(locale: Locale, moment: Moment): string {
  return formatter(locale, { day: "numeric", month: "short" }).format(new Date(moment));
}

export function formatDate(locale: Locale, moment: Moment): string {
  return formatter(locale, { day: "numeric", month: "short", year: "numeric" }).format(
    new Date(moment),
  );
}

export function formatMoment(locale: Locale, moment: Moment): string {
  const text = formatter(locale, {
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  }).format(new Date(moment));
  return `${text} UTC`;
}

export function formatNumber(locale: Locale, value: number): string {
  return new Intl.NumberFormat(locale).format(value);
}

export function formatPercent(locale: Locale, share: number, digits = 0): string {
  return new Intl.NumberFormat(locale, {
    style: "percent",
    maximumFractionDigits: digits,
  }).format(share);
}

const STEPS = [
  { unit: "d", seconds: 86_400 },
  { unit: "h", seconds: 3_600 },
  { unit: "m", seconds: 60 },
] as const;

/** The age of something in one unit: `6 s`, `3 m`, `4 h`, `12 d`. */
export function formatAge(now: number, moment: Moment): string {
  const seconds = Math.max(0, Math.floor((now - new Date(moment).getTime()) / 1000));
  for (const { unit, seconds: step } of STEPS) {
    if (seconds >= step) return `${Math.floor(seconds / step)} ${unit}`;
  }
  return `${seconds} s`;
}

/** A duration to compare: `340 ms`, `4.1 s`, `2 m 04 s`, `1 h 05 m`. */
export function formatDuration(locale: Locale, milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 60) {
    const digits = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
    return `${new Intl.NumberFormat(locale, digits).format(Math.floor(seconds * 10) / 10)} s`;
  }
  const pad = (value: number) => String(Math.floor(value)).padStart(2, "0");
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${pad(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${pad((seconds % 3600) / 60)} m`;
}
