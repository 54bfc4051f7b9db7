"use client";

import { type RefObject, useLayoutEffect, useState } from "react";

export interface RowWindow {
  readonly first: number;
  readonly last: number;
}

const EXTRA_ROWS = 8;

/** Which rows of a long list are near the visible part of the page. */
export function useWindow(
  list: RefObject<HTMLElement | null>,
  count: number,
  rowHeight: number,
): RowWindow {
  const [shown, setShown] = useState<RowWindow>({ first: 0, last: 40 });
  useLayoutEffect(() => {
    let frame: number | undefined;
    const measure = () => {
      frame = undefined;
      const top = list.current?.getBoundingClientRect().top ?? 0;
      const first = Math.max(0, Math.floor(-top / rowHeight) - EXTRA_ROWS);
      const last = Math.ceil((window.innerHeight - top) / rowHeight) + EXTRA_ROWS;
      setShown((before) => {
        const isSame = before.first === first && before.last === Math.max(first, last);
        return isSame ? before : { first, last: Math.max(first, last) };
      });
    };
    const later = () => {
      frame ??= requestAnimationFrame(measure);
    };
    measure();
    window.addEventListener("scroll", later, { passive: true });
    window.addEventListener("resize", later);
    return () => {
      if (frame !== undefined) cancelAnimationFrame(frame);
      window.removeEventListener("scroll", later);
      window.removeEventListener("resize", later);
    };
  }, [list, rowHeight]);
  return { first: Math.min(shown.first, count), last: Math.min(shown.last, count) };
}
