"""Which variables are read or refused, and that errors contain no values."""

import traceback
from collections.abc import Mapping
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, SecretStr, ValidationError, create_model
from pydantic_settings import SettingsConfigDict

from msaas.settings import (
    CommaList,
    Environment,
    LocalDefault,
    PostgresSettings,
    RedisSettings,
    ServiceSettings,
    SettingsInvalid,
    load_settings,
)


def refuse_odd(number: int) -> int:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number


class JobsSettings(PostgresSettings, RedisSettings):
    model_config = SettingsConfigDict(env_prefix="JOBS_")

    hook_secret: Annotated[SecretStr, LocalDefault("whsec_local")]
    pager_key: SecretStr | None = None
    batch: int = 100
    hosts: CommaList = ()
    even: Annotated[int, AfterValidator(refuse_odd)] = 2


LOCAL = {
    "ENVIRONMENT": "local",
    "DATABASE_URL": "postgresql://jobs:postgres@127.0.0.1:5432/app",
    "REDIS_URL": "redis://127.0.0.1:6379",
}
PRODUCTION = {
    "ENVIRONMENT": "production",
    "DATABASE_URL": "postgresql://jobs:Xk3-9fLq@db.example.com/app?sslmode=verify-full",
    "REDIS_URL": "rediss://jobs:Xk3-9fLq@redis.example.com:6380",
    "JOBS_HOOK_SECRET": "whsec_Xk39fLq",
}


def problems_of(environ: Mapping[str, str]) -> dict[str, str]:
    with pytest.raises(SettingsInvalid) as refused:
        load_settings(JobsSettings, environ)
    return refused.value.problems


def test_shared_variables_have_no_prefix_and_the_others_have_that_of_the_service() -> None:
    given = {"JOBS_BATCH": "7", "JOBS_LOG_LEVEL": "DEBUG", "OTEL_TRACES_SAMPLER_ARG": "0.5"}
    settings = load_settings(JobsSettings, LOCAL | given)
    assert settings.environment is Environment.LOCAL
    assert settings.redis_url.get_secret_value() == LOCAL["REDIS_URL"]
    assert (settings.batch, settings.log_level) == (7, "DEBUG")
    assert settings.otel_traces_sampler_arg == 0.5


def test_a_list_is_separated_by_commas() -> None:
    settings = load_settings(JobsSettings, LOCAL | {"JOBS_HOSTS": "a.example, b.example,"})
    assert settings.hosts == ("a.example", "b.example")


def test_an_empty_variable_counts_as_absent() -> None:
    assert load_settings(JobsSettings, LOCAL | {"JOBS_BATCH": ""}).batch == 100
    assert problems_of(LOCAL | {"REDIS_URL": ""}) == {"REDIS_URL": "is missing"}


def test_settings_are_frozen() -> None:
    settings = load_settings(JobsSettings, LOCAL)
    with pytest.raises(ValidationError, match="frozen"):
        settings.batch = 8


def test_the_environment_of_the_process_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LOCAL.items():
        monkeypatch.setenv(name, value)
    assert set(problems_of({})) == {"ENVIRONMENT", "DATABASE_URL", "REDIS_URL"}


def test_all_invalid_variables_are_named_without_their_values() -> None:
    environ = PRODUCTION | {
        "DATABASE_URL": "mysql://jobs:planted-1@db.example.com",
        "REDIS_URL": "redis://jobs:planted-2@redis.example.com",
        "JOBS_BATCH": "planted-3",
        "JOBS_BATHC": "planted-4",
        "JOBS_EVEN": "777777",
        "OTEL_TRACES_SAMPLER_ARG": "planted-5",
        "JOBS_HOOK_SECRET": "",
    }
    with pytest.raises(SettingsInvalid) as refused:
        load_settings(JobsSettings, environ)
    assert list(refused.value.problems) == [
        *("DATABASE_URL", "JOBS_BATCH", "JOBS_BATHC", "JOBS_EVEN", "JOBS_HOOK_SECRET"),
        *("OTEL_TRACES_SAMPLER_ARG", "REDIS_URL"),
    ]
    told = "".join(traceback.format_exception(refused.value))
    assert "planted" not in told
    assert "777777" not in told


def test_a_misspelt_variable_is_refused() -> None:
    assert problems_of(LOCAL | {"JOBS_BATHC": "7"}) == {"JOBS_BATHC": "is unknown: is it misspelt?"}


def test_variables_with_other_prefixes_are_ignored() -> None:
    assert load_settings(JobsSettings, LOCAL | {"BILLING_BATCH": "7", "HOME": "/root"}).batch == 100


def test_the_environment_is_required_and_validated() -> None:
    assert problems_of({**LOCAL, "ENVIRONMENT": ""}) == {"ENVIRONMENT": "is missing"}
    assert set(problems_of({**LOCAL, "ENVIRONMENT": "prod"})) == {"ENVIRONMENT"}


def test_a_secret_has_a_default_only_in_local_mode() -> None:
    assert load_settings(JobsSettings, LOCAL).hook_secret.get_secret_value() == "whsec_local"
    assert problems_of(PRODUCTION | {"JOBS_HOOK_SECRET": ""}) == {"JOBS_HOOK_SECRET": "is missing"}
    assert set(problems_of(PRODUCTION | {"JOBS_HOOK_SECRET": "whsec_local"})) == {
        "JOBS_HOOK_SECRET"
    }


def test_a_secret_cannot_be_declared_with_a_plain_default() -> None:
    key = (SecretStr, SecretStr("changeme"))
    with pytest.raises(TypeError, match="LocalDefault"):
        create_model("Careless", __base__=ServiceSettings, key=key)


def test_repr_str_and_json_hide_secrets() -> None:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://token:Xk3-9fLq@otel.example.com"}
    settings = load_settings(JobsSettings, PRODUCTION | endpoint)
    shown = f"{settings!r} {settings!s}"
    assert "9fLq" not in shown
    assert "39fLq" not in shown
    assert "batch=100" in shown
    assert "whsec_Xk39fLq" not in settings.model_dump_json()


@given(st.dictionaries(st.sampled_from([*LOCAL, "JOBS_BATCH", "JOBS_X"]), st.text()))
def test_any_environment_is_read_or_refused_with_names(environ: dict[str, str]) -> None:
    try:
        settings = load_settings(JobsSettings, LOCAL | environ)
    except SettingsInvalid as refused:
        assert refused.problems.keys() <= {*LOCAL, "JOBS_BATCH", "JOBS_X"}  # noqa: PT017  # either is right
    else:
        assert settings.environment.is_local
