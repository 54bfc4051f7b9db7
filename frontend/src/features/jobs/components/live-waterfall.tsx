"use client";

import type { JobRow } from "@/lib/store/rows";
import type { Span } from "../spans";
import { useFastNow } from "../use-now";
import { Waterfall } from "./waterfall";

interface LiveWaterfallProps {
  readonly row: JobRow;
  readonly spans: readonly Span[];
  readonly chosen: string | undefined;
  readonly onChoose: (id: string) => void;
}

/** Draws again with the clock only while something lasts. */
export function LiveWaterfall(props: LiveWaterfallProps) {
  const isOpen = props.spans.some((span) => span.end === undefined);
  return isOpen ? <Ticking {...props} /> : <Waterfall {...props} now={0} />;
}

function Ticking(props: LiveWaterfallProps) {
  const now = useFastNow() - Date.parse(props.row.created_at);
  return <Waterfall {...props} now={Math.max(0, now)} />;
}
