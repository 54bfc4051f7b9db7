"""The catalogue of feature flags; the environment can set their defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from msaas.contracts import TASKS
from msaas.settings import SettingsInvalid

PREFIX: Final = "FF_"
_BOOLEANS: Final = {"true": True, "1": True, "on": True, "false": False, "0": False, "off": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """With `dark`, it is on only for requests of internal users that name it in X-Feature-Flag."""

    name: str
    summary: str
    default: bool = True
    dark: bool = False


_DECLARED: Final = (
    Flag(name="FF_BROWSER_WORKER_ENABLED", summary="All tasks that open a browser."),
    Flag(
        name="FF_AGENTS_ENABLED",
        summary="Agent workflows and their endpoints.",
        default=False,
        dark=True,
    ),
    Flag(
        name="FF_BILLING_ENFORCEMENT_ENABLED",
        summary="Refuse jobs over the limit. When off, they are only metered.",
    ),
)
_TASK_FLAGS: Final = {
    name: Flag(name=name, summary=f"The task {task.task_type}.")
    for task in TASKS.values()
    for name in task.flags
}

FLAGS: Final[Mapping[str, Flag]] = MappingProxyType(
    _TASK_FLAGS | {flag.name: flag for flag in _DECLARED}
)


def read_defaults(environ: Mapping[str, str]) -> dict[str, bool]:
    """Return every flag's default; a misspelt FF_* variable is an error that names it."""
    given = {name: value for name, value in environ.items() if name.startswith(PREFIX) and value}
    problems = {name: "is unknown: is it misspelt?" for name in given if name not in FLAGS}
    problems |= {
        name: "is not valid: true or false"
        for name, value in given.items()
        if value.lower() not in _BOOLEANS
    }
    if problems:
        raise SettingsInvalid(problems)
    return {flag.name: flag.default for flag in FLAGS.values()} | {
        name: _BOOLEANS[value.lower()] for name, value in given.items()
    }


def parse_requested_flags(header: str | None) -> frozenset[str]:
    """Return the dark flags named in an X-Feature-Flag header; other names are ignored."""
    named = {name.strip() for name in (header or "").split(",")}
    return frozenset(name for name in named if name in FLAGS and FLAGS[name].dark)
