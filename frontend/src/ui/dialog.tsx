"use client";

import { lazy, Suspense } from "react";
import { preload } from "@/lib/preload";
import type { DialogProps } from "./dialog-panel";

const load = () => import("./dialog-panel");
const Panel = lazy(load);

/** A question or a short form. It is controlled: whoever opens it knows that it is open. */
export function Dialog(props: DialogProps) {
  return props.open ? (
    <Suspense fallback={null}>
      <Panel {...props} />
    </Suspense>
  ) : null;
}

/** Load what a dialog needs before one is opened. */
export function preloadDialog(): void {
  preload(load);
}
