"""The constraints of the schema identity, read from the catalogue and tried on rows."""

from collections.abc import Mapping

import asyncpg
import pytest

from msaas.contracts import Plan

FLAG = "(gen_random_uuid(), 'f', 'global', 'true')"
REFUSALS = [
    ("UPDATE identity.users SET plan = 'GOLD'", "users_plan_known"),
    ("UPDATE identity.users SET role = 'root'", "users_role_known"),
    ("UPDATE identity.users SET email = 'A@EXAMPLE.COM'", "users_living_email"),
    ("UPDATE identity.users SET erased_at = now()", "users_tombstone_is_blank"),
    ("UPDATE identity.users SET stripe_customer_id = 'cus_1'", "users_stripe_customer_id_key"),
    ("UPDATE identity.api_keys SET hash = 'short'", "api_keys_hash_is_sha256"),
    ("UPDATE identity.api_keys SET hash = sha256('one')", "api_keys_hash_key"),
    (f"INSERT INTO identity.flags VALUES {FLAG}, {FLAG}", "flags_name_scope_key"),
    (
        "INSERT INTO identity.broker_epoch (only_row, epoch) VALUES (false, 'e')",
        "broker_epoch_is_one_row",
    ),
]


@pytest.mark.parametrize(("sql", "constraint"), REFUSALS)
async def test_invalid_rows_are_refused_by_named_constraints(
    seeded: asyncpg.Connection, sql: str, constraint: str
) -> None:
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refusal:
        await seeded.execute(sql)
    assert refusal.value.constraint_name == constraint


async def test_an_email_is_free_again_after_its_user_is_deleted(
    seeded: asyncpg.Connection, ids: Mapping[str, str]
) -> None:
    await seeded.execute(
        "UPDATE identity.users SET email = NULL, erased_at = now() WHERE id = $1", ids["user_a"]
    )
    changed = await seeded.execute(
        "UPDATE identity.users SET email = 'A@example.com' WHERE id = $1", ids["user_b"]
    )
    assert changed == "UPDATE 1"


async def test_keys_are_deleted_with_their_user(
    seeded: asyncpg.Connection, ids: Mapping[str, str]
) -> None:
    await seeded.execute("DELETE FROM identity.users WHERE id = $1", ids["user_a"])
    left = await seeded.fetch("SELECT user_id::text AS owner FROM identity.api_keys")
    assert [row["owner"] for row in left] == [ids["user_b"]]


async def test_time_and_version_only_go_forward(
    seeded: asyncpg.Connection, ids: Mapping[str, str]
) -> None:
    change = (
        "UPDATE identity.users SET updated_at = $2, version = 1 WHERE id = $1"
        " RETURNING updated_at, version"
    )
    await seeded.execute("ALTER TABLE identity.users DISABLE TRIGGER touch")
    ahead = await seeded.fetchval("SELECT now() + interval '1 hour'")
    await seeded.execute(change, ids["user_a"], ahead)
    await seeded.execute("ALTER TABLE identity.users ENABLE TRIGGER touch")
    seen = [await seeded.fetchrow(change, ids["user_a"], None) for _ in range(2)]
    assert [(row["updated_at"] - ahead).microseconds for row in seen if row] == [1, 2]
    assert [row["version"] for row in seen if row] == [2, 3]


async def test_a_user_begins_as_the_smallest_plan(seeded: asyncpg.Connection) -> None:
    row = await seeded.fetchrow("SELECT role, plan, plan_version, version FROM identity.users")
    assert row is not None
    assert tuple(row) == ("user", Plan.FREE, 0, 1)


async def test_each_plan_of_the_catalogue_can_be_stored(seeded: asyncpg.Connection) -> None:
    for plan in Plan:
        assert await seeded.execute("UPDATE identity.users SET plan = $1", plan) == "UPDATE 2"
