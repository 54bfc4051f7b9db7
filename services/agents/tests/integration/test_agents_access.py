"""Who sees what of schema `agents`: a user their own rows, the service its own schema."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
from services.agents.tests.stores_support import AgentsData, HeldRun, answer, bound

from msaas.agents.adapters.postgres.tables import metadata
from msaas.agents.domain.effects import NewApproval, NewToolCall, StepRecord
from msaas.agents.domain.evidence import Document, Passage

DENIED = "InsufficientPrivilege"
VIEWS = ("agent_runs", "agent_steps", "agent_approvals", "agent_documents")
TABLES = tuple(sorted(metadata.tables))
OTHER_ROLES = ("anon", "service_role", "svc_gateway", "svc_gateway_read", "svc_jobs", "svc_billing")
FOREIGN_TABLES = ("identity.users", "identity.api_keys", "jobs.jobs", "billing.accounts")


async def fill(data: AgentsData) -> HeldRun:
    """Give a new user one row in every table that is about users."""
    held = await data.begin()
    stores, user_id = data.stores, held.run.user_id
    await stores.ledger.reserve(*held.key, "a", bound())
    await stores.ledger.settle(*held.key, "a", answer())
    await stores.tools.open(
        *held.key, [NewToolCall(call_key="t", task_type="echo", arguments={"url": "u"})]
    )
    await stores.steps.put(*held.key, StepRecord(key="s", kind="plan", state="done", title="Plan"))
    await stores.approvals.open(
        *held.key,
        NewApproval(
            call_key="q",
            kind="answer",
            title="Which?",
            text="Which one?",
            form={},
            expires_at=datetime.now(UTC) + timedelta(days=1),
        ),
    )
    document = Document(url="https://a.example/", text="A page.")
    await stores.documents.store(user_id, document)
    await stores.documents.store_sighting(*held.key, "page", document.digest)
    passage = Passage(url=document.url, sha256=document.digest, start=0, end=7, text=document.text)
    await stores.memories.add(user_id, [passage])
    saver = stores.checkpoints.build_saver(held.run, held.fence)
    config = {"configurable": {"thread_id": held.run.thread_id, "checkpoint_ns": ""}}
    checkpoint = {"v": 2, "id": "1", "ts": "", "channel_values": {"c": 1}}
    versions = {"c": "1"}
    state = {**checkpoint, "channel_versions": versions, "versions_seen": {}}
    kept = await saver.aput(config, state, {"source": "input", "step": -1}, versions)
    await saver.aput_writes(kept, [("c", 2)], "task")
    return held


async def attempt(
    rows: asyncpg.Connection, role: str, sql: str, user: UUID | None = None
) -> object:
    """Return how many rows a role meets, or the name of the error."""
    transaction = rows.transaction()
    await transaction.start()
    try:
        await rows.execute(f"SET LOCAL SESSION AUTHORIZATION {role}")
        if user is not None:
            claims = f'{{"sub":"{user}","role":"authenticated"}}'
            await rows.execute("SELECT set_config('request.jwt.claims', $1, true)", claims)
        status = await rows.execute(sql)
    except asyncpg.PostgresError as error:
        return type(error).__name__.removesuffix("Error")
    finally:
        await transaction.rollback()
    return int(status.rpartition(" ")[2])


async def test_a_user_sees_own_rows_in_every_view_and_nothing_else(data: AgentsData) -> None:
    owner, other = (await fill(data)).run.user_id, (await fill(data)).run.user_id
    newcomer = await data.add_user()
    for user, seen in ((owner, 1), (other, 1), (newcomer, 0)):
        for view in VIEWS:
            found = await attempt(data.rows, "authenticated", f"SELECT * FROM api_v1.{view}", user)
            assert (view, found) == (view, seen)
    for view in VIEWS:
        for change in (f"DELETE FROM api_v1.{view}", f"UPDATE api_v1.{view} SET title = ''"):
            assert await attempt(data.rows, "authenticated", change, owner) == DENIED
    for table in TABLES:
        sql = f"SELECT * FROM {table}"  # fixed names
        assert (table, await attempt(data.rows, "authenticated", sql, owner)) == (table, DENIED)
    hidden = "SELECT fence FROM agents.runs"
    assert await attempt(data.rows, "authenticated", hidden, owner) == DENIED


async def test_only_the_service_reaches_its_schema_and_it_reaches_no_other(
    data: AgentsData,
) -> None:
    await fill(data)
    for role in OTHER_ROLES:
        for name in (*TABLES, *(f"api_v1.{view}" for view in VIEWS)):
            sql = f"SELECT 1 FROM {name}"  # fixed names
            assert (role, name, await attempt(data.rows, role, sql)) == (role, name, DENIED)
    for table in TABLES:
        if table != "agents.broker_epoch":
            sql = f"SELECT 1 FROM {table}"  # fixed names
            assert await attempt(data.rows, "svc_agents", sql) != 0, table
    for table in (*FOREIGN_TABLES, *(f"api_v1.{view}" for view in VIEWS)):
        sql = f"SELECT 1 FROM {table}"  # fixed names
        assert await attempt(data.rows, "svc_agents", sql) == DENIED
    for forbidden in ("TRUNCATE agents.runs", "DELETE FROM agents.broker_epoch"):
        assert await attempt(data.rows, "svc_agents", forbidden) == DENIED


async def test_an_erased_user_leaves_no_row(data: AgentsData) -> None:
    held = await fill(data)
    user_id = held.run.user_id
    await data.rows.execute("DELETE FROM identity.users WHERE id = $1", user_id)
    for table in metadata.tables.values():
        if "user_id" in table.columns:
            sql = f"SELECT count(*) FROM {table.fullname} WHERE user_id = $1"  # fixed names
            assert (table.name, await data.rows.fetchval(sql, user_id)) == (table.name, 0)
