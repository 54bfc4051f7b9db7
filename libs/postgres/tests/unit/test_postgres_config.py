"""One DSN is the whole configuration, and its password is never shown."""

import pytest

from msaas.postgres import PostgresConfig


@pytest.mark.parametrize(
    ("dsn", "behind"),
    [
        ("postgresql://u:p@db.example:5432/app", False),
        ("postgresql://u:p@db.example:6543/app", True),
        ("postgresql://u:p@db.example:6543/app?pgbouncer=false", False),
        ("postgresql://u:p@db.example/app?pgbouncer=true", True),
        ("postgresql:///app?host=/run/postgresql", False),
    ],
)
def test_a_pooler_is_known_from_the_dsn(dsn: str, *, behind: bool) -> None:
    postgres_config = PostgresConfig(dsn)
    assert postgres_config.behind_pooler is behind
    assert (postgres_config.connect_options["statement_cache_size"] == 0) is behind
    # A pooler refuses the parameters that it does not know.
    assert ("server_settings" not in postgres_config.connect_options) is behind


def test_the_driver_sees_a_plain_dsn_with_the_other_options() -> None:
    postgres_config = PostgresConfig(
        "postgresql+asyncpg://u:p@h/app?pgbouncer=true&sslmode=require"
    )
    assert postgres_config.server_dsn == "postgresql://u:p@h/app?sslmode=require"


def test_the_password_is_in_neither_the_repr_nor_the_error() -> None:
    assert "hunter2" not in repr(PostgresConfig("postgresql://u:hunter2@h/app"))
    with pytest.raises(ValueError, match="must start with postgresql") as failure:
        PostgresConfig("mysql://u:hunter2@h/app")
    assert "hunter2" not in str(failure.value)
