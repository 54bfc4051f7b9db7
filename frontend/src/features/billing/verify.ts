/**
 * Verifies the proof of an invoice as `deploy/verify/verify_invoice.py` does, with the browser's own
 * cryptography: the same checks in the same order, and the same words for what does not agree.
 */

export type Problem = {
  key:
    | "missing"
    | "outOfOrder"
    | "added"
    | "notLast"
    | "noEntry"
    | "wrongHash"
    | "notSigned"
    | "badSignature"
    | "wrongUnits"
    | "otherInvoices"
    | "sameUsage"
    | "wrongLines"
    | "wrongAmount"
    | "noProof";
  values: Record<string, string>;
};
export type Verified = { first: string; last: string; units: string; key: string; head: string };
export type Outcome =
  | { state: "ok"; parts: readonly Verified[] }
  | { state: "wrong"; problems: readonly Problem[] }
  | { state: "unreadable" }
  | { state: "unsupported" };

type Json = Readonly<Record<string, unknown>>;
type Link = readonly unknown[];
type Part = { statement: Json; text: string; signature: string; links: readonly Link[] };
type Line = { id: string; quantity: bigint; price: string; amount: bigint };

const FORMAT = "msaas-invoice-proof/1";
const FINGERPRINT = 8;
const ENTRY_BYTES = 88;
const AT_ONCE = 500;
const MOMENT =
  /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6})\d*)?(?:Z|([+-])(\d\d):(\d\d))$/;

class Unreadable extends Error {}
class Unsupported extends Error {}

const problem = (key: Problem["key"], values: Record<string, unknown> = {}): Problem => ({
  key,
  values: Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)])),
});

function check(condition: boolean): asserts condition {
  if (!condition) throw new Unreadable();
}

function parse(text: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Unreadable();
  }
  check(typeof value === "object" && value !== null && !Array.isArray(value));
  return value as Json;
}

function list(value: unknown): readonly unknown[] {
  check(Array.isArray(value));
  return value;
}

function text(value: unknown): string {
  check(typeof value === "string");
  return value;
}

function whole(value: unknown): bigint {
  check(Number.isSafeInteger(value));
  return BigInt(value as number);
}

function bytesOf(hex: unknown): Uint8Array<ArrayBuffer> | null {
  if (typeof hex !== "string" || !/^(?:[0-9a-f]{2})*$/i.test(hex)) return null;
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function hexOf(bytes: ArrayBuffer): string {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function uuidOf(value: unknown): Uint8Array<ArrayBuffer> | null {
  if (!value) return new Uint8Array(16);
  if (typeof value !== "string") return null;
  const bytes = bytesOf(value.replace(/urn:|uuid:|[{}-]/g, ""));
  return bytes?.length === 16 ? bytes : null;
}

/** Microseconds since 1970, which a Date cannot hold. */
function microsOf(moment: unknown): bigint | null {
  const found = typeof moment === "string" ? MOMENT.exec(moment) : null;
  if (!found) return null;
  const [, year, month, day, hour, minute, second, fraction = "", sign, hours, minutes] = found;
  const date = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
  const at = new Date(date);
  if (Number.isNaN(at.getTime()) || at.toISOString() !== date) return null;
  const offset = (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * (sign === "-" ? -1 : 1);
  return BigInt(at.getTime() - offset * 60_000) * 1000n + BigInt(fraction.padEnd(6, "0"));
}

/** SHA-256 over subject, seq, job, quantity, microseconds and previous hash; null if unreadable. */
async function hashEntry(
  subject: Uint8Array,
  link: Link,
  previous: unknown,
): Promise<string | null> {
  const [seq, job, quantity, moment] = link;
  const [id, micros, before] = [uuidOf(job), microsOf(moment), bytesOf(previous)];
  if (link.length !== 5 || !id || micros === null || !before) return null;
  if (!Number.isSafeInteger(seq) || Number(seq) < 0 || !Number.isSafeInteger(quantity)) return null;
  const packed = new Uint8Array(ENTRY_BYTES);
  const view = new DataView(packed.buffer);
  packed.set(subject, 0);
  view.setBigUint64(16, BigInt(Number(seq)));
  packed.set(id, 24);
  view.setBigInt64(40, BigInt(Number(quantity)));
  view.setBigInt64(48, micros);
  packed.set(before.subarray(0, 32), 56);
  return hexOf(await crypto.subtle.digest("SHA-256", packed));
}

/** The first of the signed entries that the rows do not have in its place, without their hashes. */
function findMisplaced(first: number, last: number, links: readonly Link[]): [number, Problem?] {
  const seqs = new Set(links.map(([seq]) => seq));
  for (let seq = first; seq <= last; seq++) {
    const at = seq - first;
    if (!seqs.has(seq)) return [at, problem("missing", { seq })];
    const [found] = links[at] ?? [];
    if (found !== seq) return [at, problem("outOfOrder", { row: at + 1, seq: found })];
  }
  const length = Math.max(0, last - first + 1);
  if (links.length <= length) return [length];
  return [length, problem("added", { row: length + 1, seq: links[length]?.[0] })];
}

/** The first entry that is not the signed one; those that follow it prove nothing. */
async function findProblem(statement: Json, links: readonly Link[]): Promise<Problem | undefined> {
  const { head_before, head_after } = statement;
  const [first, last] = [Number(whole(statement.first_seq)), Number(whole(statement.last_seq))];
  const subject = uuidOf(text(statement.subject));
  const fingerprints = text(statement.fingerprints);
  check(subject !== null && links.every((link) => link.length > 0));
  const [rows, misplaced] = findMisplaced(first, last, links);
  for (let start = 0; start < rows; start += AT_ONCE) {
    const chunk = links.slice(start, Math.min(rows, start + AT_ONCE));
    // Each row is hashed with the hash that the row before it claims, which is checked before.
    const hashes = await Promise.all(
      chunk.map((link, at) => {
        const before = start + at === 0 ? head_before : links[start + at - 1]?.[4];
        return hashEntry(subject, link, before);
      }),
    );
    for (const [at, link] of chunk.entries()) {
      const [hash, signed] = [hashes[at], (start + at) * FINGERPRINT];
      const seq = link[0];
      if (!hash) return problem("noEntry", { seq });
      if (hash !== link[4]) return problem("wrongHash", { seq });
      if (hash.slice(0, FINGERPRINT) !== fingerprints.slice(signed, signed + FINGERPRINT)) {
        return problem("notSigned", { seq });
      }
    }
  }
  if (misplaced) return misplaced;
  const end = rows === 0 ? head_before : links[rows - 1]?.[4];
  if (end === head_after) return undefined;
  check(rows > 0);
  return problem("notLast", { seq: last });
}

function countUnits(statement: Json, links: readonly Link[]): bigint {
  const skipped = list(statement.uncharged).map((range) => list(range).map(Number));
  const isSkipped = (seq: number) => skipped.some(([from = 0, to = 0]) => from <= seq && seq <= to);
  return links
    .filter(([seq]) => !isSkipped(Number(seq)))
    .reduce((sum, link) => sum + whole(link[2]), 0n);
}

async function isSigned({ statement, text: signed, signature }: Part): Promise<boolean> {
  const [key, bytes] = [bytesOf(text(statement.public_key)), bytesOf(signature)];
  if (!key || !bytes) return false;
  try {
    const imported = await crypto.subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
    const content = new TextEncoder().encode(signed);
    return await crypto.subtle.verify("Ed25519", imported, bytes, content);
  } catch (error) {
    if (error instanceof DOMException && error.name === "NotSupportedError") {
      throw new Unsupported();
    }
    return false;
  }
}

async function findProofProblem(part: Part): Promise<Problem | undefined> {
  const { statement, links } = part;
  if (!(await isSigned(part))) return problem("badSignature", { subject: statement.subject });
  const found = await findProblem(statement, links);
  if (found) return found;
  const units = countUnits(statement, links);
  const signed = whole(statement.quantity);
  return units === signed ? undefined : problem("wrongUnits", { units, signed });
}

/** The price times the quantity, half a unit rounded up, without a floating-point number. */
function priceOf({ price, quantity }: Line): bigint {
  const [, sign, units = "", fraction = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(price) ?? [];
  check(units !== "");
  const scale = 10n ** BigInt(fraction.length);
  const exact = BigInt(units + fraction) * quantity;
  const [negative, size] = exact < 0n ? [true, -exact] : [false, exact];
  const rounded = (size * 2n + scale) / (scale * 2n);
  return negative !== (sign === "-") ? -rounded : rounded;
}

function readLine(value: unknown): Line {
  const [id, quantity, price, amount] = list(value);
  return {
    id: String(id),
    quantity: whole(quantity),
    price: text(price),
    amount: whole(amount),
  };
}

function* findChargeProblems(invoice: unknown, statements: readonly Json[]): Generator<Problem> {
  const lines = list(statements[0]?.lines);
  const same = JSON.stringify(lines);
  if (statements.some((each) => each.invoice !== invoice || JSON.stringify(each.lines) !== same)) {
    yield problem("otherInvoices");
  }
  if (new Set(statements.map((each) => each.subject)).size !== statements.length) {
    yield problem("sameUsage");
  }
  const parsed = lines.map(readLine);
  const units = statements.reduce((sum, each) => sum + whole(each.quantity), 0n);
  const charged = parsed.reduce((sum, line) => sum + line.quantity, 0n);
  if (charged !== units) yield problem("wrongLines", { charged, units });
  for (const line of parsed) {
    const due = priceOf(line);
    if (due !== line.amount) yield problem("wrongAmount", { ...line, due });
  }
}

function readPart(value: unknown): Part {
  check(typeof value === "object" && value !== null);
  const { statement, signature, links } = value as Json;
  return {
    statement: parse(text(statement)),
    text: text(statement),
    signature: text(signature),
    links: list(links).map(list),
  };
}

async function findProblems(proof: Json, parts: readonly Part[]): Promise<Problem[]> {
  const problems: Problem[] = [];
  for (const part of parts) {
    const found = await findProofProblem(part);
    if (found) problems.push(found);
  }
  const statements = parts.map((part) => part.statement);
  return [...problems, ...findChargeProblems(proof.invoice, statements)];
}

async function verify(proof: Json): Promise<Outcome> {
  const proofs = list(proof.proofs);
  if (proof.format !== FORMAT || proofs.length === 0) {
    return { state: "wrong", problems: [problem("noProof")] };
  }
  const parts = proofs.map(readPart);
  const problems = await findProblems(proof, parts);
  if (problems.length > 0) return { state: "wrong", problems };
  const verified = parts.map(({ statement }) => ({
    first: String(statement.first_seq),
    last: String(statement.last_seq),
    units: String(statement.quantity),
    key: String(statement.public_key),
    head: String(statement.head_after),
  }));
  return { state: "ok", parts: verified };
}

/** What the file proves; a file that is no proof is an answer, not an error. */
export async function verifyProof(content: string): Promise<Outcome> {
  if (!globalThis.crypto?.subtle) return { state: "unsupported" };
  try {
    return await verify(parse(content));
  } catch (error) {
    if (error instanceof Unreadable) return { state: "unreadable" };
    if (error instanceof Unsupported) return { state: "unsupported" };
    throw error;
  }
}
