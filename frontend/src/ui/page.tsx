import type { ReactNode } from "react";

/** The frame of a page: its title and actions stay at the top, its parts stand beneath each other. */
export function Page({
  title,
  about,
  actions,
  children,
}: {
  title: ReactNode;
  /** Beside the title: a period, a breadcrumb, the state of the live stream. */
  about?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}) {
  return (
    <>
      <header className="sticky top-0 z-10 order-first flex h-[var(--h-top)] items-center gap-3 border-line border-b bg-bg px-4 tablet:px-6">
        <h1 className="truncate whitespace-nowrap">{title}</h1>
        {about}
        <div className="ml-auto flex items-center gap-2">{actions}</div>
      </header>
      <div className="flex min-w-0 flex-1 flex-col gap-4 p-4 pb-6 tablet:px-6">{children}</div>
    </>
  );
}
