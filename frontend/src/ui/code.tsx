import { CopyButton } from "./copy-button";

/** Text to copy, in a well. */
export function CodeWell({ text, label }: { text: string; label: string }) {
  return (
    <figure className="relative m-0 min-w-0">
      <section
        tabIndex={0}
        aria-label={label}
        className="overflow-auto rounded-md border border-line bg-sunken"
      >
        <pre className="p-4 pr-24 font-mono text-fg-2 text-sm leading-relaxed">{text}</pre>
      </section>
      <CopyButton text={text} className="absolute top-2 right-2" />
    </figure>
  );
}
