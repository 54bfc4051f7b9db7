"""Writes the layers that import-linter enforces into ADR-0001, from the contracts in pyproject."""

import re
import sys
from pathlib import Path
from typing import Any

from msaas.contracts.generate import GeneratedFiles, run_generator
from msaas.dev.lock import read_toml

DECISION = Path("docs/adrs/ADR-0001-layering-and-classification.md")
GENERATED = re.compile(r"(<!-- layers -->\n).*?(<!-- end of layers -->)", re.DOTALL)


def render(root: Path) -> str:
    """Render the layers of the repository as a table, and every other contract as a line."""
    contracts = read_toml(root / "pyproject.toml")["tool"]["importlinter"]["contracts"]
    layers, *others = contracts
    rows = [
        f"| {number} | {', '.join(f'`{unit}`' for unit in split_layer(layer))} |"
        for number, layer in enumerate(layers["layers"], start=1)
    ]
    lines = ["", "| layer | units |", "| --- | --- |", *rows, ""]
    return "\n".join([*lines, *map(describe_contract, others), "", ""])


def describe_contract(contract: dict[str, Any]) -> str:
    """Describe a contract by its name; of layers inside units, name them from top to bottom."""
    name = contract["name"]
    if contract["type"] != "layers":
        return f"- {name}"
    order = " > ".join(" or ".join(split_layer(layer)) for layer in contract["layers"])
    return f"- {name}: `{order}`"


def split_layer(layer: str) -> list[str]:
    return [unit.strip(" ()") for unit in layer.split("|")]


def render_files(root: Path) -> GeneratedFiles:
    table = render(root)
    before = (root / DECISION).read_text(encoding="utf-8")
    after, found = GENERATED.subn(lambda match: f"{match[1]}{table}{match[2]}", before)
    if not found:
        raise SystemExit(f"{DECISION} lacks the markers of the generated table")
    return {DECISION: after}


def main(arguments: list[str] | None = None) -> int:
    return run_generator(render_files, __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
