import { createContext, type ReactNode, useContext } from "react";

/** How `[2]` is shown where numbers name sources; elsewhere it is text. */
export const CitationMarks = createContext<(at: number) => ReactNode>((at) => `[${at}]`);

function Marker({ at }: { at: number }): ReactNode {
  return useContext(CitationMarks)(at);
}

/**
 * Markdown of pages that were visited, as elements of ours: no HTML of theirs, no image, and a link
 * only to the web. What is not understood stands there as text.
 */
export function Markdown({ text }: { text: string }) {
  return <div className="prose">{parseBlocks(text)}</div>;
}

function parseBlocks(text: string): ReactNode[] {
  const blocks: ReactNode[] = [];
  const lines = text.replaceAll("\r\n", "\n").split("\n");
  let at = 0;
  const takeWhile = (test: (line: string) => boolean): string[] => {
    const taken: string[] = [];
    while (at < lines.length && test(lines[at] as string)) taken.push(lines[at++] as string);
    return taken;
  };
  while (at < lines.length) {
    const line = lines[at] as string;
    const key = blocks.length;
    if (line.trim() === "") {
      at += 1;
    } else if (line.startsWith("```")) {
      at += 1;
      const code = takeWhile((each) => !each.startsWith("```"));
      at += 1;
      blocks.push(<pre key={key}>{code.join("\n")}</pre>);
    } else if (/^#{1,6} /.test(line)) {
      at += 1;
      const level = line.indexOf(" ");
      const content = parseInline(line.slice(level + 1));
      blocks.push(level <= 1 ? <h3 key={key}>{content}</h3> : <h4 key={key}>{content}</h4>);
    } else if (isTableStart(lines, at)) {
      blocks.push(<MarkdownTable key={key} lines={takeWhile((each) => each.includes("|"))} />);
    } else if (/^\s*([-*+]|\d+[.)]) /.test(line)) {
      const items = takeWhile((each) => /^\s*([-*+]|\d+[.)]) /.test(each));
      blocks.push(<ul key={key}>{items.map(toItem)}</ul>);
    } else if (line.startsWith(">")) {
      const quoted = takeWhile((each) => each.startsWith(">"));
      const content = quoted.map((each) => each.replace(/^> ?/, "")).join(" ");
      blocks.push(<blockquote key={key}>{parseInline(content)}</blockquote>);
    } else {
      const isText = (each: string) => each.trim() !== "" && !/^(#{1,6} |```|>)/.test(each);
      const paragraph = takeWhile(isText);
      if (paragraph.length === 0) paragraph.push(lines[at++] as string);
      blocks.push(<p key={key}>{parseInline(paragraph.join(" "))}</p>);
    }
  }
  return blocks;
}

function toItem(line: string, index: number): ReactNode {
  return <li key={index}>{parseInline(line.replace(/^\s*([-*+]|\d+[.)]) /, ""))}</li>;
}

function isTableStart(lines: readonly string[], at: number): boolean {
  return Boolean(lines[at]?.includes("|") && /^[\s|:-]*-{2,}[\s|:-]*$/.test(lines[at + 1] ?? ""));
}

function MarkdownTable({ lines }: { lines: readonly string[] }) {
  const split = (line: string) => line.replace(/^\s*\||\|\s*$/g, "").split("|");
  const [head, , ...rows] = lines;
  return (
    <table>
      <thead>
        <tr>
          {split(head ?? "").map((cell, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the cells of a text never move
            <th key={index}>{parseInline(cell.trim())}</th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the rows of a text never move
          <tr key={index}>
            {split(row).map((cell, column) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: the cells of a text never move
              <td key={column}>{parseInline(cell.trim())}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const INLINE =
  /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|!?\[([^\]]*)\]\(([^)\s]*)[^)]*\)|\[(\d{1,3})\]/g;

function parseInline(text: string): ReactNode[] {
  const parts: ReactNode[] = [];
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, code, strong, emphasis, label, address = "", mark] = match;
    if (match.index > at) parts.push(text.slice(at, match.index));
    const key = match.index;
    if (code !== undefined) parts.push(<code key={key}>{code}</code>);
    else if (strong !== undefined) parts.push(<strong key={key}>{strong}</strong>);
    else if (emphasis !== undefined) parts.push(<em key={key}>{emphasis}</em>);
    else if (mark !== undefined) parts.push(<Marker key={key} at={Number(mark)} />);
    else if (/^https?:\/\//.test(address) && !whole.startsWith("!")) {
      parts.push(
        <a key={key} href={address} target="_blank" rel="noreferrer noopener nofollow">
          {label || address}
        </a>,
      );
    } else parts.push(label || "");
    at = match.index + whole.length;
  }
  if (at < text.length) parts.push(text.slice(at));
  return parts;
}
