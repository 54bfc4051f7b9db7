"""Decodes nested form parameters: `items[0][price]=x` and `types[]=a`."""

import re
from collections.abc import Iterable
from typing import Final

from msaas.stripe.domain.errors import ApiError

_KEY: Final = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")
_PART: Final = re.compile(r"\[([^\[\]]*)\]")
_MAX_DEPTH: Final = 12

# A tree of texts; a list is a tree whose keys are numbers.
Tree = dict[str, "str | Tree"]


def decode_form(pairs: Iterable[tuple[str, str]]) -> Tree:
    tree: Tree = {}
    for key, value in pairs:
        _insert(tree, _split(key), value)
    return tree


def _split(key: str) -> list[str]:
    match = _KEY.match(key)
    if match is None:
        raise ApiError(f"Invalid parameter name: {key}", code="parameter_unknown", param=key)
    parts = [match[1], *_PART.findall(match[2])]
    if len(parts) > _MAX_DEPTH:
        raise ApiError("The parameters are nested too deeply.", param=match[1])
    return parts


def _insert(tree: Tree, parts: list[str], value: str) -> None:
    *parents, last = parts
    for part in parents:
        child = tree.setdefault(part or str(len(tree)), {})
        if isinstance(child, str):
            raise ApiError(f"Invalid object: {parts[0]}", param=parts[0])
        tree = child
    tree[last or str(len(tree))] = value
