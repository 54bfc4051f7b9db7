"""The containers of the fleet, and the environment variables that each one's settings read."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from msaas.contracts import Process
from msaas.dev.delivery.images import Image, list_images
from msaas.dev.lock import projects
from msaas.flags import FLAGS
from msaas.settings import LocalDefault, ServiceSettings

_FLAGS_UNIT: Final = "libs/flags"
_OTHER_NAMES: Final = {"agents": "AgentSettings"}


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable; `local_default` is what a secret is in local mode."""

    name: str
    is_secret: bool = False
    is_required: bool = False
    local_default: str | None = None


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of container: a process in its image, with the variables it reads."""

    process: Process
    image: Image
    variables: Mapping[str, Variable]

    @property
    def name(self) -> str:
        return self.process.name

    @property
    def uses_database(self) -> bool:
        return "DATABASE_URL" in self.variables

    @property
    def uses_redis(self) -> bool:
        return "REDIS_URL" in self.variables


def list_workloads(root: Path) -> list[Workload]:
    """List the processes of all Python images; a new unit need not be installed yet."""
    sources = [str(project.parent / "src") for project in projects(root)]
    sys.path.extend(source for source in sources if source not in sys.path)
    return [
        Workload(process, image, list_variables(process, image))
        for image in list_images(root)
        for process in image.processes
    ]


def list_variables(process: Process, image: Image) -> dict[str, Variable]:
    if process.internal_port is None:
        names = ("ARTIFACTS_LINK_URL", "ARTIFACTS_LINK_KEY")
        return {name: Variable(name, name.endswith("KEY"), is_required=True) for name in names}
    settings = find_settings(process)
    found = {name: _describe(name, field) for name, field in settings.variables().items()}
    if _FLAGS_UNIT not in image.units:
        return found
    return {**{name: Variable(name) for name in FLAGS}, **found}


def find_settings(process: Process) -> type[ServiceSettings]:
    """Find the class by its name: `Settings` for `serve`, else the kind of process before it."""
    program, kind = process.command
    usual = "Settings" if kind == "serve" else f"{kind.title()}Settings"
    name = _OTHER_NAMES.get(process.name, usual)
    module = f"msaas.{program}.settings"
    if find_spec(module) is None:
        module = f"msaas.{program}.config"
    found = getattr(import_module(module), name)
    if not issubclass(found, ServiceSettings):
        raise TypeError(f"{module}.{name} is no ServiceSettings")
    return found


def _describe(name: str, field: FieldInfo) -> Variable:
    marks = [mark.value for mark in field.metadata if isinstance(mark, LocalDefault)]
    is_secret = SecretStr in (field.annotation, *get_args(field.annotation))
    return Variable(name, is_secret, field.is_required(), marks[0] if marks else None)
