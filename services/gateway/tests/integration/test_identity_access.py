"""Which role may do what with the schema identity: one row per case, in a plain session."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias
from urllib.parse import urlsplit

import asyncpg
import pytest

from msaas.postgres import Database, PostgresConfig
from msaas.telemetry import Metrics

ExecuteAs: TypeAlias = Callable[..., Awaitable[int | str]]

DENIED = "InsufficientPrivilege"
ME = "SELECT FROM api_v1.me"
NEW_USER = "INSERT INTO identity.users (id) VALUES ('cccccccc-0000-7000-8000-000000000000')"
NEW_KEY = (
    "INSERT INTO identity.api_keys (id, user_id, name, prefix, hash) VALUES"
    " (gen_random_uuid(), '{user_a}', 'ci', 'ms_', sha256('ci'))"
)
NEW_FLAG = "INSERT INTO identity.flags (id, name, value) VALUES (gen_random_uuid(), 'f', 'true')"

QUESTIONS = [
    # the user
    ("A", ME, 1),
    ("B", ME, 1),
    ("A", ME + " WHERE id = '{user_a}'", 1),
    ("A", ME + " WHERE id = '{user_b}'", 0),
    ("A", ME + " WHERE email = 'b@example.com' OR true", 1),
    ("A", "UPDATE api_v1.me SET plan = 'PRO'", DENIED),
    ("A", "UPDATE api_v1.me SET id = '{user_b}' RETURNING *", DENIED),
    ("A", "INSERT INTO api_v1.me (id) VALUES (gen_random_uuid()) RETURNING *", DENIED),
    ("A", "DELETE FROM api_v1.me RETURNING *", DENIED),
    ("A", "SELECT id FROM identity.users", DENIED),
    ("A", "SELECT hash FROM identity.api_keys", DENIED),
    ("A", "SELECT FROM api_v1.api_keys", 1),
    ("A", "SELECT FROM api_v1.api_keys WHERE id = '{key_b}'", 0),
    ("A", "UPDATE api_v1.api_keys SET revoked_at = NULL", DENIED),
    ("A", "SELECT FROM identity.audit_outbox", DENIED),
    ("svc_gateway_read", "SELECT FROM api_v1.api_keys", DENIED),
    ("svc_jobs", "SELECT FROM identity.api_keys", DENIED),
    ("svc_jobs", "SELECT FROM identity.audit_outbox", DENIED),
    ("A", "SELECT FROM identity.flags", DENIED),
    ("A", NEW_USER, DENIED),
    ("A", "SELECT auth.uid()", 1),
    ("A", "SELECT identity.touch()", DENIED),
    ("A", "CREATE TABLE api_v1.mine ()", DENIED),
    ("A", "CREATE FUNCTION public.uid() RETURNS int RETURN 1", DENIED),
    # Supabase's other roles
    ("anon", ME, DENIED),
    ("anon", "SELECT FROM identity.users", DENIED),
    ("anon", NEW_USER, DENIED),
    ("service_role", ME, DENIED),
    ("service_role", "SELECT FROM identity.users", DENIED),
    ("service_role", "UPDATE identity.users SET plan = 'PRO'", DENIED),
    ("service_role", "DELETE FROM identity.users", DENIED),
    # the reading login: no rights of its own, and one role to switch to
    ("svc_gateway_read", ME, DENIED),
    ("svc_gateway_read", "SELECT FROM identity.users", DENIED),
    ("svc_gateway_read", "SET ROLE authenticated; " + ME, 0),
    ("svc_gateway_read", "SET ROLE service_role", DENIED),
    ("svc_gateway_read", "SET ROLE authenticated; SET ROLE service_role", DENIED),
    ("svc_gateway_read", "SET ROLE svc_gateway", DENIED),
    ("svc_gateway_read", "SET ROLE msaas_owner", DENIED),
    ("svc_gateway_read", "SET ROLE msaas_backfill", DENIED),
    # the owner's login
    ("svc_gateway", "SELECT FROM identity.users", 2),
    ("svc_gateway", NEW_USER, 1),
    ("svc_gateway", "UPDATE identity.users SET plan = 'PRO' WHERE id = '{user_a}' RETURNING id", 1),
    ("svc_gateway", "UPDATE identity.users SET last_seen_at = now(), plan_version = 9", 2),
    ("svc_gateway", "UPDATE identity.users SET role = 'operator' WHERE id = '{user_a}'", 1),
    ("svc_gateway", "UPDATE identity.users SET email = 'b@example.com'", DENIED),
    ("svc_gateway", "UPDATE identity.users SET banned_at = now(), sessions_ended_at = now()", 2),
    ("svc_gateway", "UPDATE identity.users SET erased_at = NULL", DENIED),
    ("svc_gateway", "UPDATE identity.users SET id = gen_random_uuid()", DENIED),
    ("svc_gateway", "SELECT FROM identity.users FOR NO KEY UPDATE", 2),
    ("svc_gateway", "DELETE FROM identity.users", DENIED),
    ("svc_gateway", "TRUNCATE identity.users CASCADE", DENIED),
    ("svc_gateway", "ALTER TABLE identity.users DISABLE ROW LEVEL SECURITY", DENIED),
    ("svc_gateway", "SELECT hash FROM identity.api_keys", 2),
    ("svc_gateway", NEW_KEY, 1),
    ("svc_gateway", "UPDATE identity.api_keys SET revoked_at = now()", 2),
    ("svc_gateway", "UPDATE identity.api_keys SET user_id = '{user_a}'", DENIED),
    ("svc_gateway", "UPDATE identity.api_keys SET hash = sha256('known')", DENIED),
    ("svc_gateway", "UPDATE identity.api_keys SET scopes = ARRAY['jobs:write']", DENIED),
    ("svc_gateway", "UPDATE identity.api_keys SET requests_per_minute = NULL", DENIED),
    ("svc_gateway", "DELETE FROM identity.api_keys WHERE user_id = '{user_b}'", 1),
    ("svc_gateway", NEW_FLAG, 1),
    ("svc_gateway", "UPDATE identity.flags SET name = 'other'", DENIED),
    ("svc_gateway", "UPDATE identity.audit_outbox SET body = '{{}}'", DENIED),
    ("svc_gateway", "SELECT FROM identity.flags", 0),
    ("svc_gateway", "INSERT INTO identity.broker_epoch (epoch) VALUES ('e') RETURNING *", 1),
    ("svc_gateway", "DELETE FROM identity.broker_epoch", DENIED),
    ("svc_gateway", ME, DENIED),
    ("svc_gateway", "SELECT FROM jobs.jobs", DENIED),
    ("svc_gateway", "SET ROLE authenticated", DENIED),
    ("svc_gateway", "SET ROLE svc_jobs", DENIED),
    ("svc_gateway", "SET ROLE msaas_owner", DENIED),
    # other services' logins
    ("svc_jobs", "SELECT FROM identity.users", DENIED),
    ("svc_jobs", "UPDATE identity.users SET plan = 'PRO'", DENIED),
    ("svc_jobs", ME, DENIED),
    # maintenance: the owner of the tables sees no row, the backfill sees all
    ("msaas_owner", "SELECT FROM identity.users", 0),
    ("msaas_owner", "DELETE FROM identity.users", 0),
    ("msaas_backfill", "SELECT FROM identity.users", 2),
    ("msaas_backfill", "UPDATE identity.users SET locale = 'en'", 2),
    ("msaas_backfill", NEW_USER, DENIED),
    ("msaas_backfill", "DELETE FROM identity.users", DENIED),
]

CLAIMS = [
    (None, 0),
    ("", 0),
    ("{}", 0),
    ("[1]", 0),
    ("null", 0),
    ('{"sub":null}', 0),
    ('{"sub":"dddddddd-0000-7000-8000-000000000000"}', 0),
    ('{"sub":""}', "InvalidTextRepresentation"),
    ('{"sub":"\' OR true --"}', "InvalidTextRepresentation"),
    ("garbage", "InvalidTextRepresentation"),
]


async def test_every_question_about_identity_has_its_answer(execute_as: ExecuteAs) -> None:
    answers = [(who, sql, await execute_as(who, sql)) for who, sql, _ in QUESTIONS]
    assert answers == QUESTIONS


@pytest.mark.parametrize(("claims", "answer"), CLAIMS)
async def test_without_a_user_in_the_claims_nothing_is_seen(
    execute_as: ExecuteAs, claims: str | None, answer: int | str
) -> None:
    assert await execute_as("authenticated", ME, claims) == answer


@pytest.mark.parametrize("end", ["deleted_at = now()", "erased_at = now(), email = NULL"])
async def test_a_deleted_user_is_visible_to_no_user(
    execute_as: ExecuteAs, seeded: asyncpg.Connection, ids: Mapping[str, str], end: str
) -> None:
    await seeded.execute(f"UPDATE identity.users SET {end} WHERE id = $1", ids["user_a"])
    assert (await execute_as("A", ME), await execute_as("B", ME)) == (0, 1)


async def test_a_pooled_connection_carries_nothing_from_one_user_to_the_next(
    seeded_url: str, ids: Mapping[str, str], logins: Mapping[str, str]
) -> None:
    address = urlsplit(seeded_url)
    host = address.netloc.rpartition("@")[2]
    login = address._replace(netloc=f"{logins['svc_gateway_read']}@{host}").geturl()
    async with Database(PostgresConfig(login, max_size=1), Metrics("gateway", "test")) as reading:
        for user in (ids["user_a"], ids["user_b"], ids["user_a"]):
            async with reading.read_as(user) as connection:
                assert str(await connection.fetchval("SELECT id FROM api_v1.me")) == user
            with pytest.raises(asyncpg.DivisionByZeroError):
                async with reading.read_as(user) as connection:
                    await connection.fetch("SELECT 1 / 0")
            for forbidden in (ME, "SET ROLE svc_gateway", "SET SESSION AUTHORIZATION svc_gateway"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    async with reading.connection() as connection:
                        await connection.execute(forbidden)
