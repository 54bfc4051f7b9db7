"""Reads a process's settings once, and names every variable that is wrong, never its value."""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Final, TypeVar, get_args

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource

from msaas.kernel import MsaasError
from msaas.settings.environment import Environment
from msaas.settings.fleet import FleetSettings, LocalDefault
from msaas.settings.stand_ins import find_known_secret, find_local_url

Settings = TypeVar("Settings", bound=FleetSettings)

# A validator's own words may repeat the value that it refuses.
_UNQUOTABLE: Final = frozenset({"value_error", "assertion_error"})
_EVERYWHERE: Final = {str(place) for place in Environment}


class SettingsInvalid(MsaasError):
    """Maps, in `problems`, each variable to what is wrong; the message says it to the operator."""

    code: ClassVar[str] = "settings_invalid"

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems: Final = dict(sorted(problems.items()))
        lines = (f"  {variable} {problem}" for variable, problem in self.problems.items())
        super().__init__("\n".join(["The settings are not valid:", *lines]))


def load(kind: type[Settings], environ: Mapping[str, str]) -> Settings:
    given = {name.upper(): value for name, value in environ.items() if value}
    local = (
        given.get("ENVIRONMENT") not in _EVERYWHERE or Environment(given["ENVIRONMENT"]).is_local
    )
    problems = dict(_unknown(kind, given))
    if local:
        given = _local_defaults(kind) | given
    else:
        problems |= dict(_stand_ins(kind, given))
    settings, invalid = _validated(kind, given)
    if settings is None or problems:
        raise SettingsInvalid(problems | invalid)
    return settings


def _validated(
    kind: type[Settings], given: Mapping[str, str]
) -> tuple[Settings | None, dict[str, str]]:
    prefix = kind.model_config.get("env_prefix", "")
    source = EnvSettingsSource(kind)
    source.env_vars = {name.lower(): value for name, value in given.items()}
    try:
        return kind(**source()), {}
    except ValidationError as error:
        invalid: dict[str, str] = {}
        for fault in error.errors(include_url=False, include_context=False, include_input=False):
            name = str(fault["loc"][0])
            variable = name if name in kind.variables() else f"{prefix}{name}".upper()
            invalid[variable] = _words(fault["type"], fault["msg"])
        return None, invalid


def _words(kind: str, message: str) -> str:
    if kind == "missing":
        return "is missing"
    return "is not valid" if kind in _UNQUOTABLE else f"is not valid: {message}"


def _unknown(kind: type[FleetSettings], given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Find variables with our prefix that no field reads: they are misspelt."""
    prefix = kind.model_config.get("env_prefix", "").upper()
    for name in given:
        if prefix and name.startswith(prefix) and name not in kind.variables():
            yield name, "is unknown: is it misspelt?"


def _local_defaults(kind: type[FleetSettings]) -> dict[str, str]:
    return {
        variable: mark.value
        for variable, field in kind.variables().items()
        for mark in field.metadata
        if isinstance(mark, LocalDefault)
    }


def _stand_ins(kind: type[FleetSettings], given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    allowed = given.get(
        f"{kind.model_config.get('env_prefix', '')}insecure_urls_allowed".upper(), ""
    )
    insecure = {name.strip() for name in allowed.split(",")}
    defaults = _local_defaults(kind)
    for variable, field in kind.variables().items():
        value = given.get(variable, "")
        if value and value == defaults.get(variable):
            yield variable, "has the value that it has in local mode"
        elif _is_secret(field) or "://" in value:
            fault = find_known_secret(value)
            if fault is None and variable not in insecure:
                fault = find_local_url(value)
            if fault:
                yield variable, fault


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in (field.annotation, *get_args(field.annotation))
