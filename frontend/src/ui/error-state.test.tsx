import { act, render, screen } from "@testing-library/react";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ApiError, type Problem } from "@/lib/api/problems";
import { LocaleProvider } from "@/lib/i18n/provider";
import { ErrorState } from "./error-state";

const PROBLEM: Problem = {
  type: "/problems/unavailable",
  title: "Not available",
  status: 503,
  detail: "",
  instance: "",
  code: "unavailable",
  correlation_id: "0192f0c4-7a61-7c3e-9d55-0a6f5c1b2d3f",
  retryable: true,
  human_readable_cause: "The database does not answer.",
  suggested_action: "Try again.",
  errors: [],
};

function show(error: unknown, onRetry?: () => void, locale: "en" | "de" = "en") {
  return render(
    <LocaleProvider locale={locale}>
      <ErrorState error={error} {...(onRetry ? { onRetry } : {})} />
    </LocaleProvider>,
  );
}

afterEach(() => vi.useRealTimers());

describe("ErrorState", () => {
  it("shows the cause, the reference and a way to try again", () => {
    const retry = vi.fn();
    show(new ApiError(503, PROBLEM, PROBLEM.correlation_id, null), retry);
    expect(screen.getByRole("alert")).toHaveTextContent("The database does not answer.");
    expect(screen.getByTitle(PROBLEM.correlation_id ?? "")).toHaveTextContent("5c1b2d3f");
    screen.getByRole("button", { name: "Try again" }).click();
    expect(retry).toHaveBeenCalledTimes(1);
  });

  it("counts down before a limited request may be repeated", () => {
    vi.useFakeTimers();
    show(new ApiError(429, { ...PROBLEM, status: 429 }, null, 3), vi.fn());
    expect(screen.getByRole("button", { name: "Try again in 3 s" })).toBeDisabled();
    act(() => vi.advanceTimersByTime(3100));
    expect(screen.getByRole("button", { name: "Try again" })).toBeEnabled();
  });

  it("offers no retry that cannot help, and the way on instead", () => {
    const missing = { ...PROBLEM, status: 404, code: "not_found", retryable: false };
    show(new ApiError(404, missing, null, null), vi.fn());
    expect(screen.queryByRole("button", { name: "Try again" })).toBeNull();
    expect(screen.getByRole("link", { name: "To the jobs" })).toHaveAttribute("href", "/jobs");
  });

  const QUOTA = {
    ...PROBLEM,
    status: 402,
    code: "quota_exceeded",
    retryable: false,
    limit: 100,
    used: 98,
    reserved: 2,
    resets_at: "2030-01-01T00:00:00Z",
    upgrade_url: "/billing",
  };

  it("says when a quota begins anew", () => {
    show(new ApiError(402, QUOTA, null, null));
    expect(screen.getByRole("alert")).toHaveTextContent("1 Jan 2030, 00:00:00 UTC");
    expect(screen.getByRole("link")).toHaveAttribute("href", "/usage");
  });

  it.each([
    ["plan", "Choose a larger plan", "/billing#plans"],
    ["spend_limit", "Change the spend limit", "/billing#spend-limit"],
    ["past_due", "Pay what is open", "/billing"],
  ] as const)("leads from %s to the one action that clears it", (blocked_by, name, href) => {
    const problem = { ...QUOTA, blocked_by };
    show(new ApiError(402, problem, null, null));
    expect(screen.getByRole("link", { name })).toHaveAttribute("href", href);
    const says = expect(screen.getByRole("alert"));
    if (blocked_by === "past_due") says.not.toHaveTextContent("1 Jan 2030");
    else says.toHaveTextContent("1 Jan 2030");
  });

  it("has its own words when nothing answered, in the reader's language", () => {
    show(new ApiError(0, null, null, null), vi.fn(), "de");
    expect(screen.getByRole("alert")).toHaveTextContent("Der Server ist nicht erreichbar");
    expect(screen.getByRole("button", { name: "Erneut versuchen" })).toBeVisible();
  });
});
