"""Values that production and staging refuse."""

from collections.abc import Mapping
from typing import Annotated

import pytest
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from msaas.settings import (
    LocalDefault,
    PostgresSettings,
    RedisSettings,
    SettingsInvalid,
    load_settings,
)


class BillingSettings(PostgresSettings, RedisSettings):
    model_config = SettingsConfigDict(env_prefix="BILLING_")

    signing_key: Annotated[SecretStr, LocalDefault("local-signing-key")]
    portal: str | None = None


@pytest.fixture(params=["production", "staging"])
def real(request: pytest.FixtureRequest) -> dict[str, str]:
    return {
        "ENVIRONMENT": request.param,
        "DATABASE_URL": "postgresql://b:Xk3-9fLq@db.example.com/app?sslmode=verify-full",
        "REDIS_URL": "rediss://b:Xk3-9fLq@redis.example.com",
        "BILLING_SIGNING_KEY": "Xk3-9fLq",
    }


def refused(environ: Mapping[str, str]) -> dict[str, str]:
    with pytest.raises(SettingsInvalid) as error:
        load_settings(BillingSettings, environ)
    return error.value.problems


def test_secure_values_are_accepted(real: dict[str, str]) -> None:
    assert load_settings(BillingSettings, real).portal is None


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:9", "db.localhost", "127.0.0.1", "127.9.9.9:1", "[::1]", "[::]"],
)
def test_local_hosts_are_refused(real: dict[str, str], host: str) -> None:
    problems = refused(real | {"BILLING_PORTAL": f"https://{host}/x"})
    assert problems == {"BILLING_PORTAL": "points to localhost"}


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("BILLING_PORTAL", "http://portal.example.com", "is not encrypted: use https://"),
        ("REDIS_URL", "redis://:Xk3-9fLq@redis.example.com", "is not encrypted: use rediss://"),
        ("REDIS_URL", "rediss://:redis@redis.example.com", "contains a well-known password"),
        ("REDIS_URL", "unix:///run/redis.sock", "points to localhost"),
        ("BILLING_SIGNING_KEY", "ChangeMe", "contains a well-known password"),
        (
            "BILLING_SIGNING_KEY",
            "local-signing-key",
            "has its local default value",
        ),
        ("BILLING_PORTAL", "https://[::1", "points to localhost"),
    ],
)
def test_an_insecure_value_is_refused(
    real: dict[str, str], variable: str, value: str, problem: str
) -> None:
    assert refused(real | {variable: value}) == {variable: problem}


@pytest.mark.parametrize(
    "query",
    [
        *("", "?sslmode=disable", "?sslmode=prefer", "?ssl=require&sslmode=allow"),
        *("?sslmode=require", "?sslmode=verify-ca", "?sslmode=verify-full&sslmode=require"),
        *("?ssl=verify-full", "?sslmode=verify-full&ssl=require"),
    ],
)
def test_a_database_whose_certificate_is_not_verified_is_refused(
    real: dict[str, str], query: str
) -> None:
    url = f"postgresql://b:Xk3-9fLq@db.example.com/app{query}"
    assert "sslmode" in refused(real | {"DATABASE_URL": url})["DATABASE_URL"]


def test_each_of_several_database_hosts_is_checked(real: dict[str, str]) -> None:
    url = "postgresql://b:Xk3-9fLq@db.example.com:5432,[::1]:5432/app?sslmode=verify-full"
    assert refused(real | {"DATABASE_URL": url}) == {"DATABASE_URL": "points to localhost"}


def test_an_allowed_url_may_be_insecure_but_not_have_a_known_password(real: dict[str, str]) -> None:
    sidecar = real | {
        "DATABASE_URL": "postgresql://b:Xk3-9fLq@127.0.0.1:6432/app",
        "REDIS_URL": "redis://b:Xk3-9fLq@redis:6379",
        "BILLING_INSECURE_URLS_ALLOWED": "DATABASE_URL, REDIS_URL",
    }
    assert load_settings(BillingSettings, sidecar).environment.is_local is False
    known = sidecar | {"REDIS_URL": "redis://b:password@redis:6379"}
    assert refused(known) == {"REDIS_URL": "contains a well-known password"}


@pytest.mark.parametrize("environment", ["local", "test"])
def test_local_environments_accept_insecure_values(environment: str) -> None:
    settings = load_settings(
        BillingSettings,
        {
            "ENVIRONMENT": environment,
            "DATABASE_URL": "postgresql://postgres:postgres@localhost/app",
            "REDIS_URL": "redis://localhost",
        },
    )
    assert settings.signing_key.get_secret_value() == "local-signing-key"
