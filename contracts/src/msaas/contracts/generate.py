"""Writes the generated files, or lists those that differ from what would be generated."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from msaas.contracts.acl import render_acl
from msaas.contracts.exports import render_exports
from msaas.contracts.registry import TOPICS
from msaas.contracts.tasks import TASKS
from msaas.contracts.topics_page import render_topics_page

SCHEMAS = Path("contracts/schemas/v1")
GeneratedFiles = Mapping[Path, str | None]
"""The text of each generated file; None for one that is no longer generated."""


def list_models() -> dict[str, type[BaseModel]]:
    """Return every model that has a schema and a sample, by their file's name."""
    messages = {
        message.type_name(): message for topic in TOPICS.values() for message in topic.messages
    }
    params = {f"task.{name}.params": task.params for name, task in TASKS.items()}
    results = {f"task.{name}.result": task.result for name, task in TASKS.items()}
    return {**messages, **params, **results}


def render(root: Path) -> GeneratedFiles:
    """Return the text of each generated file by its path under the workspace's root."""
    schemas = {SCHEMAS / f"{name}.json": _schema(name, m) for name, m in list_models().items()}
    committed = [file.relative_to(root) for file in sorted((root / SCHEMAS).glob("*.json"))]
    return {
        **schemas,
        Path("contracts/src/msaas/contracts/__init__.py"): render_exports(),
        Path("contracts/redis/users.acl"): render_acl(),
        Path("docs/topics.md"): render_topics_page(),
        **{path: None for path in committed if path not in schemas},
    }


def _schema(name: str, model: type[BaseModel]) -> str:
    schema = {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": f"urn:msaas:v1:{name}",
        **model.model_json_schema(),
    }
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def list_drift(root: Path, files: GeneratedFiles) -> list[Path]:
    """Name each file that is missing, differs, or is no longer generated."""
    return [path for path, text in files.items() if _read(root / path) != text]


def _read(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.is_file() else None


def _write(file: Path, text: str | None) -> None:
    if text is None:
        file.unlink()
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def find_root(start: Path) -> Path | None:
    """Walk up to the folder that holds the workspace."""
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        if file.is_file() and "[tool.uv.workspace]" in file.read_text(encoding="utf-8"):
            return folder
    return None


def run_generator(
    render: Callable[[Path], GeneratedFiles], purpose: str | None, arguments: list[str] | None
) -> int:
    """Write what has changed and print it; with --check, write nothing and return 1."""
    parser = argparse.ArgumentParser(description=purpose)
    parser.add_argument("root", nargs="?", type=Path, default=find_root(Path.cwd()))
    parser.add_argument("--check", action="store_true", help="write nothing, report drift")
    chosen = parser.parse_args(arguments)
    if chosen.root is None:
        parser.error("no workspace above this folder: name its root")
    files = render(chosen.root)
    drifted = list_drift(chosen.root, files)
    for path in drifted:
        if chosen.check:
            sys.stderr.write(f"{path} has drifted: run ./msaas contracts\n")
        else:
            _write(chosen.root / path, files[path])
            sys.stdout.write(f"{path}\n")
    return 1 if chosen.check and drifted else 0


def main(arguments: list[str] | None = None) -> int:
    return run_generator(render, __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
