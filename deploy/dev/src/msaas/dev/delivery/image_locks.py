"""The hash-pinned requirements of one image: a part of the workspace's lock.

The graph is read from the installed packages, so that no registry is needed; a marker that holds on
Linux, on any kind of processor, counts.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from msaas.dev.delivery.images import Image

HEADER: Final = "# A part of the workspace's lock, made by `./msaas images --write`.\n"
_PLATFORM: Final[Mapping[str, str]] = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.11.0",
    "python_version": "3.11",
    "sys_platform": "linux",
}
_MACHINES: Final = ("x86_64", "aarch64")


class PackageNotLocked(Exception):
    """A package is required that the workspace's lock lacks: `./msaas lock` resolves it."""


def render_lock(image: Image, workspace_lock: str) -> str:
    pins = {pin.partition("==")[0]: pin for pin in re.split(r"(?m)^(?=[\w.-]+==)", workspace_lock)}
    names = sorted(find_packages(image.requirements))
    missing = [name for name in names if name not in pins]
    if missing:
        raise PackageNotLocked(f"{image.name} requires {', '.join(missing)}: run `./msaas lock`")
    return HEADER + "".join(pins[name] for name in names)


def find_packages(requirements: Iterable[str]) -> set[str]:
    """Follow what the requirements require, and return all names."""
    found, remaining = set[tuple[str, str]](), set(_chosen(map(Requirement, requirements), ""))
    while remaining:
        found |= remaining
        followed = (_required(name, extra) for name, extra in remaining)
        remaining = set[tuple[str, str]]().union(*followed) - found
    return {name for name, _ in found}


def _required(name: str, extra: str) -> Iterator[tuple[str, str]]:
    try:
        return _chosen(map(Requirement, requires(name) or []), extra)
    except PackageNotFoundError:  # not for this machine: the lock has its pin all the same
        return iter(())


def _chosen(requirements: Iterable[Requirement], extra: str) -> Iterator[tuple[str, str]]:
    for requirement in requirements:
        if _applies(requirement, extra):
            for chosen in ("", *requirement.extras):
                yield canonicalize_name(requirement.name), chosen


def _applies(requirement: Requirement, extra: str) -> bool:
    marker = requirement.marker
    return marker is None or any(
        marker.evaluate({**_PLATFORM, "platform_machine": machine, "extra": extra})
        for machine in _MACHINES
    )
