"""`./msaas new KIND NAME`: writes the files of a task, endpoint, message or service from templates.

A template is a file whose path and text hold `$snake`, `$kebab`, `$Pascal`, `$UPPER`, `$title`,
`$port` or `$topic`. `insert.toml` lists the lines for existing files, and the generators to run.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from msaas.dev.lock import LOCKS, projects, read_toml, write_header
from msaas.dev.workspace import ROOT, module_command, tool_path

TEMPLATES = Path(__file__).with_name("templates")
INSERTIONS = "insert.toml"
KINDS = ("task", "endpoint", "message", "service")
NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
PORT = re.compile(r"_port=(\d{4})\b")
FIRST_PORT = 9005  # below it are the processes of the fleet and the embedded identity


class CannotScaffold(Exception):
    """A name is invalid or taken, or a file lacks the line that new lines go next to."""


def run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./msaas new", description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("name", help="for example read_feed; a service's name may have hyphens")
    parser.add_argument("--topic", default="jobs.commands", help="the topic of a new message")
    chosen = parser.parse_args(argv)
    try:
        written = scaffold(ROOT, chosen.kind, name_variables(ROOT, chosen.name, chosen.topic))
    except CannotScaffold as error:
        print(f"msaas: {error}", file=sys.stderr)
        return 1
    print(*(f"  {path}" for path in written), sep="\n")
    print((TEMPLATES / chosen.kind / "next.txt").read_text(), end="")
    return 0


def name_variables(root: Path, name: str, topic: str) -> Mapping[str, str]:
    if not NAME.fullmatch(name):
        raise CannotScaffold(f"{name!r} is no name: use lower case, like read_feed")
    snake = name.replace("-", "_")
    return {
        "snake": snake,
        "kebab": snake.replace("_", "-"),
        "Pascal": snake.title().replace("_", ""),
        "camel": snake[0] + snake.title().replace("_", "")[1:],
        "UPPER": snake.upper(),
        "title": snake.replace("_", " ").capitalize(),
        "topic": topic,
        "topic_pattern": re.escape(topic),
        "port": str(find_free_port(root)),
    }


def find_free_port(root: Path) -> int:
    declared = (root / "contracts/src/msaas/contracts/processes.py").read_text()
    taken = {int(port) for port in PORT.findall(declared)}
    return next(port for port in range(FIRST_PORT, FIRST_PORT + 1000) if port not in taken)


def scaffold(root: Path, kind: str, variables: Mapping[str, str]) -> list[str]:
    """Write the files and insert the lines, then bring everything generated up to date."""
    folder = TEMPLATES / kind
    texts = render_files(folder, variables)
    for path in texts:
        if (root / path).exists():
            raise CannotScaffold(f"{path} exists")
    inserted = render_insertions(root, folder, variables)
    for path, text in {**texts, **inserted}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    written = [*texts, *inserted]
    generators = read_toml(folder / INSERTIONS)["generators"]
    finish(root, [path for path in written if path.endswith(".py")], generators)
    return written


def render_files(folder: Path, variables: Mapping[str, str]) -> dict[str, str]:
    def fill(text: str) -> str:
        return Template(text).substitute(variables)

    return {
        fill(str(file.relative_to(folder))).removesuffix(".tmpl"): fill(file.read_text("utf-8"))
        for file in sorted(folder.rglob("*.tmpl"))
    }


def render_insertions(root: Path, folder: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the new texts of the existing files that get lines."""
    texts: dict[str, str] = {}
    for insertion in read_toml(folder / INSERTIONS).get("insert", []):
        path: str = insertion["file"]
        before = texts[path] if path in texts else (root / path).read_text("utf-8")
        texts[path] = insert(before, insertion, variables)
    return texts


def insert(text: str, insertion: Mapping[str, Any], variables: Mapping[str, str]) -> str:
    """Insert lines next to what a pattern matches, unless the file matches `unless`."""

    def fill(key: str) -> str:
        return Template(insertion.get(key, "")).safe_substitute(variables)

    if "unless" in insertion and re.search(fill("unless"), text):
        return text
    pattern = fill("after") or fill("before")
    found = re.search(pattern, text, re.MULTILINE)
    if found is None and insertion.get("optional"):
        return text
    if found is None:
        raise CannotScaffold(f"{insertion['file']} has nothing that matches {pattern!r}")
    position = found.end() if "after" in insertion else found.start()
    return f"{text[:position]}{fill('text')}{text[position:]}"


def finish(root: Path, modules: list[str], generators: list[str]) -> None:
    """Sort imports, format, generate, and stamp the locks of a unit that needs nothing new."""
    ruff = [tool_path("ruff"), "check", "--quiet", "--select=I", "--fix", *modules]
    subprocess.run(ruff, cwd=root, check=True)
    subprocess.run([tool_path("ruff"), "format", "--quiet", *modules], cwd=root, check=True)
    for generator in generators:
        subprocess.run(module_command(generator), cwd=root, check=True)
    if needs_only_locked_packages(root):
        for lock in LOCKS:
            write_header(root, lock)


def needs_only_locked_packages(root: Path) -> bool:
    """Return whether every requirement of a unit is another unit or in the lock already."""
    locked = set(re.findall(r"(?m)^([\w.-]+)==", (root / LOCKS[0].path).read_text()))
    required = {
        re.split(r"[^\w.-]", requirement)[0].lower()
        for project in projects(root)
        for requirement in read_toml(project)["project"].get("dependencies", [])
    }
    return all(name in locked or name.startswith("msaas-") for name in required)
