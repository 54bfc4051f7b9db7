"""Documents and memories of users, and what retention leaves of old runs."""

from uuid import UUID, uuid4

from services.agents.tests.integration.test_agents_access import fill
from services.agents.tests.stores_support import AgentsData

from msaas.agents.adapters.postgres.retention import list_retention_rules
from msaas.agents.domain.evidence import Document, Passage
from msaas.agents.domain.runs import Ending
from msaas.postgres import Database, Retention
from msaas.telemetry import Metrics

PAGE = Document(
    url="https://a.example/", text="Prices: 9 €.", title="Prices", job_id=uuid4(), links=("x",)
)


ANSWERED = Ending(state="succeeded", answer={"answer": "9 €"})


def passage(text: str, url: str = PAGE.url) -> Passage:
    return Passage(url=url, sha256=PAGE.digest, start=0, end=len(text), text=text)


async def test_a_document_is_found_by_its_user_only(data: AgentsData) -> None:
    owner, other = await data.add_user(), await data.add_user()
    await data.stores.documents.store(owner, PAGE)
    await data.stores.documents.store(owner, PAGE)
    assert await data.stores.documents.find(owner, PAGE.digest) == PAGE
    assert await data.stores.documents.find(other, PAGE.digest) is None


async def test_a_run_compares_with_what_an_earlier_one_saw(data: AgentsData) -> None:
    owner, documents = await data.add_user(), data.stores.documents
    later_page = Document(url=PAGE.url, text="Prices: 10 €.")
    for page in (PAGE, later_page):
        await documents.store(owner, page)
    first = await data.begin(owner)
    assert await documents.find_sighting(owner, first.run.run_id, "prices") is None
    await documents.store_sighting(*first.key, "prices", PAGE.digest)
    second = await data.begin(owner)
    for _ in range(2):  # the step is run again after a crash
        found = await documents.find_sighting(owner, second.run.run_id, "prices")
        assert found == PAGE
        await documents.store_sighting(*second.key, "prices", later_page.digest)
    third = await data.begin(owner)
    assert await documents.find_sighting(owner, third.run.run_id, "prices") == later_page
    assert await documents.find_sighting(owner, third.run.run_id, "other") is None


async def test_a_text_is_remembered_once_and_only_for_its_user(data: AgentsData) -> None:
    owner, other = await data.add_user(), await data.add_user()
    memories = data.stores.memories
    added = await memories.add(owner, [passage("a"), passage("b"), passage("a", "https://b/")])
    assert sorted(each.text for _, each in added) == ["a", "b"]
    again = dict(await memories.add(owner, [passage("a"), passage("c")]))
    known = {each.text: memory_id for memory_id, each in added}
    assert known["a"] in again
    ids = [*known.values(), uuid4()]
    loaded = await memories.load(owner, ids)
    assert {loaded[known[text]].text for text in "ab"} == {"a", "b"}
    assert await memories.load(other, ids) == {}
    await memories.add(other, [passage("a")])
    await data.stores.documents.store(owner, PAGE)
    assert await memories.forget(owner) == 4
    assert await memories.load(owner, ids) == {}
    assert await data.stores.documents.find(owner, PAGE.digest) is None
    kept = "SELECT count(*) FROM agents.memories WHERE user_id = $1"
    assert await data.rows.fetchval(kept, other) == 1


async def test_retention_drops_content_by_plan_and_keeps_what_it_cost(
    data: AgentsData, agents_database: Database
) -> None:
    ages = {"old": 8, "recent": 6, "paid": 8, "running": 0}
    runs = {name: await fill(data) for name in ages}
    for name, days in ages.items():
        if days:
            await data.stores.runs.finish(*runs[name].key, ANSWERED)
            await age(data, runs[name].run.run_id, days)
    old = runs["old"]
    paid_run = "UPDATE agents.runs SET plan = 'PRO' WHERE id = $1"
    await data.rows.execute(paid_run, runs["paid"].run.run_id)
    before = await data.get(old)
    unused = await data.add_user()
    await data.stores.documents.store(unused, PAGE)
    await data.stores.memories.add(unused, [passage("a")])
    for table in ("documents", "memories"):
        await data.rows.execute(
            f"UPDATE agents.{table} SET last_used_at = now() - interval '91 days'"  # fixed names
            " WHERE user_id = $1",
            unused,
        )
    metrics = Metrics("agents", "test")
    counts = await Retention("agents", agents_database, list_retention_rules(), metrics).run()
    assert not any(count.has_failed for count in counts)
    left = {name: await count_content(data, held.run.run_id) for name, held in runs.items()}
    assert left == {"old": 0, "recent": 9, "paid": 9, "running": 8}
    after = await data.get(old)
    assert (after.spend, after.finished_at) == (before.spend, before.finished_at)
    assert (after.params, after.answer, after.title) == (None, None, "")
    assert await data.stores.documents.find(unused, PAGE.digest) is None
    used = Document(url="", text="A page.").digest
    assert await data.stores.documents.find(old.run.user_id, used) is not None
    kept = "SELECT count(*) FROM agents.memories WHERE user_id = $1"
    assert await data.rows.fetchval(kept, unused) == 0
    assert await data.rows.fetchval(kept, old.run.user_id) == 1


async def age(data: AgentsData, run_id: UUID, days: int) -> None:
    sql = "UPDATE agents.runs SET finished_at = now() - make_interval(days => $2) WHERE id = $1"
    await data.rows.execute(sql, run_id, days)


CONTENT = """
SELECT
  (SELECT count(answer) + count(params) FROM agents.runs WHERE id = $1)
  + (SELECT count(answer) FROM agents.llm_calls WHERE run_id = $1)
  + (SELECT count(arguments) FROM agents.tool_calls WHERE run_id = $1)
  + (SELECT count(*) FROM agents.approvals WHERE run_id = $1)
  + (SELECT count(*) FROM agents.steps WHERE run_id = $1 AND title <> '')
  + (SELECT count(*) FROM agents.checkpoints WHERE run_id = $1)
  + (SELECT count(*) FROM agents.checkpoint_blobs WHERE run_id = $1)
  + (SELECT count(*) FROM agents.checkpoint_writes WHERE run_id = $1)
"""


async def count_content(data: AgentsData, run_id: UUID) -> int:
    """Count what says something about what was asked and answered."""
    found: int = await data.rows.fetchval(CONTENT, run_id)
    return found
