"use client";

import { ApiError, type Problem } from "@/lib/api/problems";
import { ErrorState } from "@/ui/error-state";

type Plain = {
  status: number;
  problem: Problem | null;
  correlationId: string | null;
  retryAfter: number | null;
};

/** The whole page when not even the user can be read. */
export function Unavailable({ error }: { error: Plain }) {
  return (
    <main className="mx-auto grid min-h-dvh max-w-[640px] content-center p-4">
      <ErrorState
        error={new ApiError(error.status, error.problem, error.correlationId, error.retryAfter)}
        onRetry={() => window.location.reload()}
      />
    </main>
  );
}
