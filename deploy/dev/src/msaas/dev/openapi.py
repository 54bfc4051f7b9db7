"""Converts the API's document to the JSON that the gateway's `/docs` shows."""

import json
import sys
from pathlib import Path

import yaml

from msaas.contracts.generate import GeneratedFiles, run_generator

SOURCE = Path("contracts/openapi/gateway.v1.yaml")
TARGET = Path("services/gateway/src/msaas/gateway/entrypoints/http/docs/openapi.json")


def render_files(root: Path) -> GeneratedFiles:
    document = yaml.load((root / SOURCE).read_text("utf-8"), yaml.CSafeLoader)
    return {TARGET: json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"}


def main(arguments: list[str] | None = None) -> int:
    return run_generator(render_files, __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
