"""Renders .env.example: every variable that docker-compose.yaml takes from the environment."""

import re
from pathlib import Path
from typing import Final

from msaas.dev.delivery.compose import render_compose
from msaas.dev.delivery.compose_values import get_value
from msaas.dev.delivery.dockerfiles import TEMPLATES
from msaas.dev.delivery.workloads import list_workloads

HEADER: Final = (TEMPLATES / "env.txt").read_text()
_SUBSTITUTION: Final = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?::?-([^${}]*))?")
_SECTIONS: Final = (
    ("Secrets", re.compile(r"PASSWORD|SECRET|KEY|PEPPER")),
    ("Published ports and addresses", re.compile(r"PUBLISH_|PUBLIC_|_URL$|_ENDPOINT$")),
    ("Flags", re.compile(r"^FF_")),
    ("Settings", re.compile("")),
)


def list_compose_variables(root: Path) -> dict[str, str]:
    """Map the variables to their defaults; one that only passes through has none."""
    passed = {
        name: ""
        for each in list_workloads(root)
        for name in each.variables
        if get_value(each, name) is None
    }
    found: dict[str, str] = {}
    for name, default in _SUBSTITUTION.findall(render_compose(root)):
        # Two defaults are addresses inside and outside of the networks: neither is the default.
        found[name] = default if found.get(name, default) == default else ""
    return passed | found


def render_env_example(root: Path) -> str:
    remaining = list_compose_variables(root)
    parts = [HEADER]
    for title, pattern in _SECTIONS:
        chosen = sorted(name for name in remaining if pattern.search(name))
        lines = [f"# {name}={remaining.pop(name)}" for name in chosen]
        parts.append("\n".join([f"# {title}", *lines, ""]))
    return "\n".join(parts)
