"""The images of the fleet: one for each service and stand-in that has a process, and the dashboard.

What an image needs beyond its dependencies is declared in `[tool.msaas.image]` of its unit.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msaas.contracts import PROCESSES, Process
from msaas.dev.lock import projects, read_toml
from msaas.local.ports import FILE_SERVER, IDENTITY, STRIPE

STAND_INS = (IDENTITY, STRIPE, FILE_SERVER)
DASHBOARD = "frontend"
DASHBOARD_PORT = 3000
DEFAULT_MEMORY_MB = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image; `folder` holds its Dockerfile, `units` the folders that are installed in it.

    `data` is a folder that the process writes to, `packages` are of the base system.
    """

    name: str
    folder: str
    description: str
    version: str
    units: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    processes: tuple[Process, ...] = ()
    packages: tuple[str, ...] = ()
    data: str = ""
    memory_mb: int = DEFAULT_MEMORY_MB
    has_migrations: bool = False
    after: tuple[str, ...] = ()
    is_stand_in: bool = False
    needs_user_namespaces: bool = False

    @property
    def tag(self) -> str:
        return f"micro-saas/{self.name}"

    @property
    def database_logins(self) -> tuple[str, ...]:
        return tuple(login for each in self.processes for login in each.database_logins)

    @property
    def dockerfile(self) -> str:
        return f"{self.folder}/Dockerfile"

    @property
    def lock(self) -> str:
        return f"{self.folder}/requirements.lock"


def list_images(root: Path) -> list[Image]:
    """List the images of services, then stand-ins, then the dashboard."""
    units = {read_toml(path)["project"]["name"]: path for path in projects(root)}
    fleet = [each for each in PROCESSES.values() if each.command]
    services = _python_images(root, units, fleet, is_stand_in=False)
    stand_ins = _python_images(root, units, STAND_INS, is_stand_in=True)
    return [*services, *stand_ins, _dashboard(root)]


def _python_images(
    root: Path, units: Mapping[str, Path], processes: Iterable[Process], *, is_stand_in: bool
) -> list[Image]:
    by_program: dict[str, list[Process]] = {}
    for process in processes:
        by_program.setdefault(process.command[0], []).append(process)
    return [
        _python_image(root, units, program.replace("_", "-"), tuple(run), is_stand_in=is_stand_in)
        for program, run in by_program.items()
    ]


def _python_image(
    root: Path,
    units: Mapping[str, Path],
    name: str,
    processes: tuple[Process, ...],
    *,
    is_stand_in: bool,
) -> Image:
    project = units[f"msaas-{name}"]
    declared = read_toml(project)
    options = declared.get("tool", {}).get("msaas", {}).get("image", {})
    needed = _list_needed(units, f"msaas-{name}")
    declaration = project.parent / "migrations" / "schema.toml"
    return Image(
        name=name,
        folder=project.parent.relative_to(root).as_posix(),
        description=declared["project"]["description"],
        version=declared["project"]["version"],
        units=tuple(units[unit].parent.relative_to(root).as_posix() for unit in needed),
        requirements=tuple(
            requirement
            for unit in needed
            for requirement in _dependencies(units[unit])
            if _package(requirement) not in units
        ),
        processes=processes,
        packages=tuple(options.get("packages", ())),
        data=options.get("data", ""),
        memory_mb=options.get("memory_mb", DEFAULT_MEMORY_MB),
        has_migrations=declaration.exists(),
        after=tuple(read_toml(declaration)["after"]) if declaration.exists() else (),
        is_stand_in=is_stand_in,
        needs_user_namespaces=options.get("needs_user_namespaces", False),
    )


def _list_needed(units: Mapping[str, Path], name: str) -> list[str]:
    """List a unit and the units it depends on, directly or not, by name."""
    found, remaining = set[str](), {name}
    while remaining:
        unit = remaining.pop()
        found.add(unit)
        required = {_package(requirement) for requirement in _dependencies(units[unit])}
        remaining |= (required & units.keys()) - found
    return sorted(found)


def _dependencies(project: Path) -> list[str]:
    return read_toml(project)["project"].get("dependencies", [])


def _package(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0]


def _dashboard(root: Path) -> Image:
    declared: dict[str, Any] = read_toml(root / "pyproject.toml")["project"]
    return Image(
        name=DASHBOARD,
        folder=DASHBOARD,
        description="The dashboard: jobs, workflows, usage and settings in a browser.",
        version=declared["version"],
    )
