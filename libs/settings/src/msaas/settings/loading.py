"""Reads the settings of a process; errors name each invalid variable but not its value."""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Final, TypeVar, get_args

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource

from msaas.kernel import MsaasError
from msaas.settings.insecure_values import find_default_secret, find_insecure_url
from msaas.settings.service_settings import Environment, LocalDefault, ServiceSettings

Settings = TypeVar("Settings", bound=ServiceSettings)

# The message of a validator may contain the refused value.
_ERRORS_QUOTING_VALUES: Final = frozenset({"value_error", "assertion_error"})
_ENVIRONMENTS: Final = {str(environment) for environment in Environment}


class SettingsInvalid(MsaasError):
    """The settings are invalid; `problems` maps each variable to its fault."""

    code: ClassVar[str] = "settings_invalid"

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems: Final = dict(sorted(problems.items()))
        lines = (f"  {variable} {problem}" for variable, problem in self.problems.items())
        super().__init__("\n".join(["The settings are not valid:", *lines]))


def load_settings(settings_class: type[Settings], environ: Mapping[str, str]) -> Settings:
    values = {name.upper(): value for name, value in environ.items() if value}
    is_local = (
        values.get("ENVIRONMENT") not in _ENVIRONMENTS
        or Environment(values["ENVIRONMENT"]).is_local
    )
    problems = dict(_find_unknown(settings_class, values))
    if is_local:
        values = _local_defaults(settings_class) | values
    else:
        problems |= dict(_find_insecure(settings_class, values))
    settings, invalid = _validate(settings_class, values)
    if settings is None or problems:
        raise SettingsInvalid(problems | invalid)
    return settings


def _validate(
    settings_class: type[Settings], values: Mapping[str, str]
) -> tuple[Settings | None, dict[str, str]]:
    source = EnvSettingsSource(settings_class)
    source.env_vars = {name.lower(): value for name, value in values.items()}
    try:
        return settings_class(**source()), {}
    except ValidationError as error:
        invalid: dict[str, str] = {}
        for fault in error.errors(include_url=False, include_context=False, include_input=False):
            name = str(fault["loc"][0])
            is_variable = name in settings_class.variables()
            variable = name if is_variable else settings_class.variable_of(name)
            invalid[variable] = _describe_error(fault["type"], fault["msg"])
        return None, invalid


def _describe_error(error_type: str, message: str) -> str:
    if error_type == "missing":
        return "is missing"
    return "is not valid" if error_type in _ERRORS_QUOTING_VALUES else f"is not valid: {message}"


def _find_unknown(
    settings_class: type[ServiceSettings], values: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Find variables with the prefix of the service that no field reads."""
    prefix = settings_class.model_config.get("env_prefix", "").upper()
    for name in values:
        if prefix and name.startswith(prefix) and name not in settings_class.variables():
            yield name, "is unknown: is it misspelt?"


def _local_defaults(settings_class: type[ServiceSettings]) -> dict[str, str]:
    return {
        variable: mark.value
        for variable, field in settings_class.variables().items()
        for mark in field.metadata
        if isinstance(mark, LocalDefault)
    }


def _find_insecure(
    settings_class: type[ServiceSettings], values: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    allowed = values.get(
        f"{settings_class.model_config.get('env_prefix', '')}insecure_urls_allowed".upper(), ""
    )
    insecure = {name.strip() for name in allowed.split(",")}
    defaults = _local_defaults(settings_class)
    for variable, field in settings_class.variables().items():
        value = values.get(variable, "")
        if value and value == defaults.get(variable):
            yield variable, "has its local default value"
        elif _is_secret(field) or "://" in value:
            fault = find_default_secret(value)
            if fault is None and variable not in insecure:
                fault = find_insecure_url(value)
            if fault:
                yield variable, fault


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in (field.annotation, *get_args(field.annotation))
