"""Writes the layers that import-linter enforces into ADR-0001, from the contracts in pyproject."""

import argparse
import re
import sys
from pathlib import Path
from typing import Any

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


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m msaas.dev.layers", description=__doc__)
    parser.add_argument("root", nargs="?", type=Path, default=Path.cwd())
    parser.add_argument("--check", action="store_true", help="write nothing, report drift")
    chosen = parser.parse_args(arguments)
    path = chosen.root / DECISION
    before = path.read_text(encoding="utf-8")
    table = render(chosen.root)
    after, found = GENERATED.subn(lambda match: f"{match[1]}{table}{match[2]}", before)
    if not found or (chosen.check and after != before):
        sys.stderr.write(f"{DECISION} has drifted: run ./msaas contracts\n")
        return 1
    if not chosen.check:
        path.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
