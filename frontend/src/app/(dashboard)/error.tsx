"use client";

import { useEffect } from "react";
import { report } from "@/lib/sentry";
import { ErrorState } from "@/ui/error-state";

export default function DashboardError({ error, reset }: { error: Error; reset: () => void }) {
  useEffect(() => report(error), [error]);
  return (
    <div className="p-4 tablet:p-6">
      <ErrorState error={error} onRetry={reset} />
    </div>
  );
}
