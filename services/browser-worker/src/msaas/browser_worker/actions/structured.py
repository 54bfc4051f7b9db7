"""Opens a page and returns the fields that selectors name."""

from collections.abc import Sequence
from typing import Any, Final, cast

from msaas.browser_worker.actions.base import BrowserAction, Visit
from msaas.browser_worker.actions.field_values import FieldTypeMismatch, parse_value
from msaas.browser_worker.actions.page_session import PageSession
from msaas.browser_worker.actions.page_values import MAX_TITLE, get_text, get_tuple
from msaas.contracts import (
    ExtractStructuredParams,
    ExtractStructuredResult,
    FieldReading,
    StructuredField,
)
from msaas.worker import ActionFailed

MAX_MATCHES: Final = 1_000
MAX_TEXT: Final = 20_000
# All fields are read in one call, so that they are consistent. Each field gives a list of matches,
# each a text, null or, with inner fields, an object of these; or a string that names the error.
READ_FIELDS: Final = """([fields, most, longest]) => {
  const isPath = selector => /^[(.]*\\//.test(selector);
  const list = (root, selector, most) => {
    if (!isPath(selector)) return [...root.querySelectorAll(selector)].slice(0, most);
    const path = root === document ? selector : selector.replace(/^\\//, "./");
    const found = document.evaluate(path, root, null, XPathResult.ORDERED_NODE_SNAPSHOT_TYPE, null);
    const count = Math.min(found.snapshotLength, most);
    return Array.from({length: count}, (_, n) => found.snapshotItem(n));
  };
  const text = (node, {attribute, type}) => {
    if (!node) return null;
    let value;
    if (attribute) value = node.getAttribute?.(attribute) ?? null;
    else if (type === "html") value = node.innerHTML ?? node.textContent;
    else if (type === "url") value = node.href ?? node.src ?? node.textContent;
    else value = node.innerText ?? node.textContent;
    return value === null ? null : String(value).slice(0, longest);
  };
  const inside = (root, inner) => Object.fromEntries(Object.entries(inner).map(([name, field]) => {
    const node = field.selector ? list(root, field.selector, 1)[0] : root;
    return [name, text(node, field)];
  }));
  const read = field => {
    const nodes = list(document, field.selector, field.many ? most : 1);
    return nodes.map(node => field.fields ? inside(node, field.fields) : text(node, field));
  };
  const found = {};
  for (const [name, field] of Object.entries(fields)) {
    try { found[name] = read(field); }
    catch (error) { found[name] = error instanceof DOMException ? "selector" : "page"; }
  }
  return [String(document.title).slice(0, 1000), document.baseURI, found];
}"""


class ExtractStructuredAction(BrowserAction):
    task_type = "extract_structured"

    async def visit(self, visit: Visit) -> ExtractStructuredResult:
        params = visit.get_params(ExtractStructuredParams)
        session = PageSession(visit, params)
        await session.open()
        async with visit.step("extract"):
            fields = {name: field.model_dump() for name, field in params.fields.items()}
            arguments = [fields, MAX_MATCHES, MAX_TEXT]
            title, base, found = get_tuple(await session.evaluate(READ_FIELDS, arguments), 3)
        url, values = get_text(base, MAX_TEXT), _get_object(found)
        data = {
            name: build_field(name, field, values.get(name), url)
            for name, field in params.fields.items()
        }
        return ExtractStructuredResult(
            **session.build_metadata(get_text(title, MAX_TITLE)), data=data
        )


def build_field(name: str, field: StructuredField, found: object, base: str) -> Any:
    if found == "selector":
        message = f"Field {name}: its selector is not valid."
        raise ActionFailed("invalid_payload", message, retryable=False)
    if not isinstance(found, list):
        raise ActionFailed("page_failed", f"Field {name}: it cannot be read.", retryable=True)
    matches = cast("list[object]", found)[:MAX_MATCHES]
    values = [_build_match(name, field, match, base) for match in matches]
    if field.many:
        return values or _get_default(name, field, [])
    return values[0] if values else _get_default(name, field)


def _build_match(name: str, field: StructuredField, found: object, base: str) -> Any:
    if field.fields is None:
        return _build_value(name, field, found, base)
    values = _get_object(found)
    return {
        inner_name: _build_value(f"{name}.{inner_name}", inner, values.get(inner_name), base)
        for inner_name, inner in field.fields.items()
    }


def _build_value(name: str, field: FieldReading, found: object, base: str) -> Any:
    if found is None:
        return _get_default(name, field)
    try:
        return parse_value(get_text(found, MAX_TEXT), field.type, base)
    except FieldTypeMismatch as wrong:
        if "default" in field.model_fields_set:
            return field.default
        message = f"Field {name}: what is there is no {wrong.expected}."
        raise ActionFailed("field_invalid", message, retryable=False) from None


def _get_object(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _get_default(name: str, field: FieldReading, empty: Sequence[Any] | None = None) -> Any:
    """Of a list, nothing is no error: there may be none of its kind."""
    if "default" in field.model_fields_set:
        return field.default
    if empty is not None:
        return empty
    message = f"Field {name}: nothing on the page matches."
    raise ActionFailed("field_not_found", message, retryable=False)
