/** A form from the JSON Schema of a task type's parameters. */

export type Params = Readonly<Record<string, unknown>>;

interface Schema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly default?: unknown;
  readonly description?: string;
  readonly format?: string;
  readonly writeOnly?: boolean;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
}

export type FieldKind =
  | "text"
  | "url"
  | "secret"
  | "number"
  | "boolean"
  | "choice"
  | "lines"
  | "json";

export interface FormField {
  readonly name: string;
  readonly kind: FieldKind;
  readonly isRequired: boolean;
  readonly isInteger: boolean;
  readonly choices: readonly string[];
  readonly initial: unknown;
  readonly description: string | undefined;
  readonly schema: Schema;
}

export function buildFields(given: object): FormField[] {
  const root = given as Schema;
  const required = new Set(root.required ?? []);
  const fields = Object.entries(root.properties ?? {}).map(([name, schema]) =>
    buildField(root, name, schema, required.has(name)),
  );
  return fields.sort((a, b) => Number(b.isRequired) - Number(a.isRequired));
}

function buildField(root: Schema, name: string, given: Schema, isRequired: boolean): FormField {
  const schema = unwrap(root, given);
  const choices = schema.enum?.map(String) ?? [];
  return {
    name,
    kind: chooseKind(root, name, schema),
    isRequired,
    isInteger: schema.type === "integer",
    choices,
    initial: given.default ?? undefined,
    description: given.description ?? schema.description,
    schema,
  };
}

/** The schema of a value that is there: `null` is the same as nothing in a form. */
function unwrap(root: Schema, schema: Schema): Schema {
  if (schema.$ref) {
    const name = schema.$ref.split("/").at(-1) ?? "";
    return unwrap(root, root.$defs?.[name] ?? {});
  }
  const options = schema.anyOf?.filter((each) => each.type !== "null");
  return options?.length === 1 && options[0] ? unwrap(root, options[0]) : schema;
}

function chooseKind(root: Schema, name: string, schema: Schema): FieldKind {
  if (schema.writeOnly || schema.format === "password") return "secret";
  if (schema.enum) return "choice";
  if (schema.type === "boolean") return "boolean";
  if (schema.type === "integer" || schema.type === "number") return "number";
  if (schema.type === "string") return name === "url" ? "url" : "text";
  if (schema.type === "array" && unwrap(root, schema.items ?? {}).type === "string") return "lines";
  return "json";
}

export type ParamError =
  | { readonly code: "required" }
  | { readonly code: "not_a_url" | "not_an_integer" | "not_json" }
  | { readonly code: "too_small" | "too_large" | "too_long"; readonly limit: number };

/** What can be said before the gateway is asked; its own answer always counts. */
export function checkField(field: FormField, value: unknown): ParamError | undefined {
  if (value === undefined || value === null || value === "") {
    return field.isRequired ? { code: "required" } : undefined;
  }
  if (typeof value === "number") return checkNumber(field, value);
  if (typeof value !== "string") return undefined;
  const { maxLength } = field.schema;
  if (maxLength !== undefined && value.length > maxLength) {
    return { code: "too_long", limit: maxLength };
  }
  if (field.kind === "url" && !/^https?:\/\/[^\s]+$/.test(value)) return { code: "not_a_url" };
  return undefined;
}

function checkNumber(field: FormField, value: number): ParamError | undefined {
  const { minimum, maximum } = field.schema;
  if (field.isInteger && !Number.isInteger(value)) return { code: "not_an_integer" };
  if (minimum !== undefined && value < minimum) return { code: "too_small", limit: minimum };
  if (maximum !== undefined && value > maximum) return { code: "too_large", limit: maximum };
  return undefined;
}

/** Without values that say nothing, so that defaults stay the gateway's business. */
export function cleanParams(params: Params): Params {
  const isSaid = ([, value]: [string, unknown]) =>
    value !== undefined &&
    value !== null &&
    value !== "" &&
    !(Array.isArray(value) && value.length === 0);
  return Object.fromEntries(Object.entries(params).filter(isSaid));
}

/** Without anything that may be secret: for drafts, and for what is taken over from another job. */
export function withoutSecrets(fields: readonly FormField[], params: Params): Params {
  const secret = new Set(
    fields.filter(({ schema }) => mentionsSecret(schema)).map(({ name }) => name),
  );
  return Object.fromEntries(Object.entries(params).filter(([name]) => !secret.has(name)));
}

function mentionsSecret(schema: Schema): boolean {
  return /"writeOnly":true|"format":"password"/.test(JSON.stringify(schema));
}

/** A first value to start from: it runs as it is. */
export function buildExample(taskType: string, fields: readonly FormField[]): Params {
  const example: Record<string, unknown> = { ...EXAMPLES[taskType] };
  for (const { name, kind, isRequired } of fields) {
    if (!isRequired || name in example) continue;
    if (kind === "url") example[name] = "https://example.com";
    if (kind === "text") example[name] = "hello";
  }
  return example;
}

const EXAMPLES: Readonly<Record<string, Params>> = {
  crawl_site: { max_pages: 5, max_depth: 1 },
  extract_structured: { fields: { title: { selector: "h1" } } },
  run_steps: { steps: [{ do: "screenshot", full_page: true }] },
};
