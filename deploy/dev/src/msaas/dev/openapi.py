"""Converts the API's document to the JSON that the gateway's `/docs` shows."""

import argparse
import json
import sys
from pathlib import Path

import yaml

SOURCE = Path("contracts/openapi/gateway.v1.yaml")
TARGET = Path("services/gateway/src/msaas/gateway/entrypoints/http/docs/openapi.json")


def render(root: Path) -> str:
    document = yaml.safe_load((root / SOURCE).read_text("utf-8"))
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m msaas.dev.openapi", description=__doc__)
    parser.add_argument("root", nargs="?", type=Path, default=Path.cwd())
    parser.add_argument("--check", action="store_true", help="write nothing, report drift")
    chosen = parser.parse_args(arguments)
    path, text = chosen.root / TARGET, render(chosen.root)
    if not chosen.check:
        path.write_text(text, encoding="utf-8")
    elif not path.is_file() or path.read_text(encoding="utf-8") != text:
        sys.stderr.write(f"{TARGET} has drifted: run ./msaas contracts\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
