"""Writes the generated files, or lists those that differ from what would be generated."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from msaas.contracts.acl import render_acl
from msaas.contracts.exports import render_exports
from msaas.contracts.registry import TOPICS
from msaas.contracts.tasks import TASKS
from msaas.contracts.topics_page import render_topics_page

SCHEMAS = Path("contracts/schemas/v1")


def list_models() -> dict[str, type[BaseModel]]:
    """Return every model that has a schema and a sample, by their file's name."""
    messages = {
        message.type_name(): message for topic in TOPICS.values() for message in topic.messages
    }
    params = {f"task.{name}.params": task.params for name, task in TASKS.items()}
    results = {f"task.{name}.result": task.result for name, task in TASKS.items()}
    return {**messages, **params, **results}


def render() -> dict[Path, str]:
    """Return the text of each generated file by its path under the workspace's root."""
    schemas = {SCHEMAS / f"{name}.json": _schema(name, m) for name, m in list_models().items()}
    return {
        **schemas,
        Path("contracts/src/msaas/contracts/__init__.py"): render_exports(),
        Path("contracts/redis/users.acl"): render_acl(),
        Path("docs/topics.md"): render_topics_page(),
    }


def _schema(name: str, model: type[BaseModel]) -> str:
    schema = {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": f"urn:msaas:v1:{name}",
        **model.model_json_schema(),
    }
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def list_drift(root: Path) -> Iterator[Path]:
    """Name each generated file that is missing, differs, or is no longer generated."""
    files = render()
    for path, text in files.items():
        file = root / path
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            yield path
    for file in sorted((root / SCHEMAS).glob("*.json")):
        if file.relative_to(root) not in files:
            yield file.relative_to(root)


def write(root: Path) -> None:
    for path in list(list_drift(root)):
        text = render().get(path)
        file = root / path
        if text is None:
            file.unlink()
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path}\n")


def find_root(start: Path) -> Path | None:
    """Walk up to the folder that holds the workspace."""
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        if file.is_file() and "[tool.uv.workspace]" in file.read_text(encoding="utf-8"):
            return folder
    return None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m msaas.contracts.generate", description=__doc__)
    parser.add_argument("root", nargs="?", type=Path, default=find_root(Path.cwd()))
    parser.add_argument("--check", action="store_true", help="write nothing, report drift")
    chosen = parser.parse_args(arguments)
    if chosen.root is None:
        parser.error("no workspace above this folder: name its root")
    if not chosen.check:
        write(chosen.root)
        return 0
    drifted = list(list_drift(chosen.root))
    for path in drifted:
        sys.stderr.write(f"{path} has drifted: run python -m msaas.contracts.generate\n")
    return 1 if drifted else 0


if __name__ == "__main__":
    sys.exit(main())
