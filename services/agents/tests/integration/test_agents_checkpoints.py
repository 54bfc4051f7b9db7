"""Checkpoints: what langgraph demands of them, the fence, and how much they store."""

import operator
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, empty_checkpoint
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import Capability
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from services.agents.tests.stores_support import AgentsData, HeldRun

from msaas.agents.adapters.postgres.checkpoints import PostgresCheckpointSaver
from msaas.agents.adapters.postgres.state_serializer import StateNotPlain, StateSerializer
from msaas.agents.domain.errors import StaleRun
from msaas.agents.domain.runs import Ending
from msaas.contracts import Plan
from msaas.postgres import Database

SIZE = """
SELECT
  (SELECT coalesce(sum(length(body) + pg_column_size(metadata)), 0) FROM agents.checkpoints
    WHERE run_id = $1)
  + (SELECT coalesce(sum(length(body)), 0) FROM agents.checkpoint_blobs WHERE run_id = $1)
  + (SELECT coalesce(sum(length(body)), 0) FROM agents.checkpoint_writes WHERE run_id = $1)
"""


class State(TypedDict):
    done: int
    found: Annotated[list[str], operator.add]


def saver_of(database: Database, held: HeldRun, keep: int | None = None) -> PostgresCheckpointSaver:
    return PostgresCheckpointSaver(database, held.run, held.fence, keep=keep)


async def test_it_passes_the_conformance_suite_in_every_capability(
    data: AgentsData, agents_database: Database
) -> None:
    @checkpointer_test(name="agents")
    async def create() -> AsyncGenerator[BaseCheckpointSaver[str]]:
        yield saver_of(agents_database, await data.begin())

    report = await validate(create)
    results = report.results
    assert set(results) == {capability.value for capability in Capability}
    assert {name: result.failures for name, result in results.items() if not result.passed} == {}
    assert sum(result.tests_passed for result in results.values()) >= 60


async def test_a_stale_worker_writes_no_checkpoint(
    data: AgentsData, agents_database: Database
) -> None:
    held = await data.begin()
    stale = saver_of(agents_database, held)
    config: RunnableConfig = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
    kept = await stale.aput(config, empty_checkpoint(), {"source": "input", "step": -1}, {})
    await stale.aput_writes(kept, [("found", ["a"])], "task")
    newest = saver_of(agents_database, await data.begin_again(held))
    before = [each async for each in newest.alist(None)]
    for attempt in (
        stale.aput(kept, empty_checkpoint(), {"source": "loop", "step": 0}, {}),
        stale.aput_writes(kept, [("found", ["b"])], "other"),
        stale.adelete_thread("t"),
        stale.adelete_for_runs(["r"]),
        stale.acopy_thread("t", "u"),
        stale.aprune(["t"]),
    ):
        with pytest.raises(StaleRun):
            await attempt
    assert [each async for each in newest.alist(None)] == before
    assert len(before) == 1


async def test_a_run_sees_the_threads_of_no_other_run(
    data: AgentsData, agents_database: Database
) -> None:
    config: RunnableConfig = {"configurable": {"thread_id": "same", "checkpoint_ns": ""}}
    savers = [saver_of(agents_database, await data.begin()) for _ in range(2)]
    await savers[0].aput(config, empty_checkpoint(), {"source": "input", "step": -1}, {})
    assert await savers[1].aget_tuple(config) is None
    await savers[1].adelete_thread("same")
    assert await savers[0].aget_tuple(config) is not None


def build_loop(steps: int) -> Any:
    """Build a graph that finds a hundred characters in each of its steps."""

    async def find(state: State) -> dict[str, Any]:
        return {"done": state["done"] + 1, "found": [f"{state['done']:04}" * 25]}

    def go_on(state: State) -> str:
        return "find" if state["done"] < steps else END

    graph: Any = StateGraph(State)
    graph.add_node("find", find)
    graph.add_edge(START, "find")
    graph.add_conditional_edges("find", go_on)
    return graph


async def run_loop(data: AgentsData, database: Database, steps: int) -> tuple[HeldRun, int]:
    held = await data.begin(plan=Plan.ENTERPRISE)
    saver = data.stores.checkpoints.build_saver(held.run, held.fence)
    config = RunnableConfig(
        configurable={"thread_id": held.run.thread_id}, recursion_limit=2 * steps
    )
    graph = build_loop(steps).compile(checkpointer=saver)
    result = await graph.ainvoke({"done": 0, "found": []}, config, durability="sync")
    assert len(result["found"]) == steps
    size: int = await data.rows.fetchval(SIZE, held.run.run_id)
    return held, size


async def test_what_a_run_stores_grows_with_its_state_and_shrinks_at_its_end(
    data: AgentsData,
    agents_database: Database,
    record_property: Callable[[str, object], None],
) -> None:
    _, small = await run_loop(data, agents_database, 50)
    held, size = await run_loop(data, agents_database, 200)
    record_property("bytes_after_50_and_200_steps", (small, size))
    assert size <= 4.4 * small, "the growth is not linear"
    assert size <= 4 * 200 * 100
    await data.stores.runs.finish(*held.key, Ending(state="succeeded"))
    left: int = await data.rows.fetchval(SIZE, held.run.run_id)
    assert left < size
    saver = saver_of(agents_database, held)
    assert len([each async for each in saver.alist(None)]) == 1


async def test_a_graph_goes_on_in_another_process_where_it_was_interrupted(
    data: AgentsData, agents_database: Database
) -> None:
    class Answers(TypedDict):
        answers: Annotated[list[str], operator.add]

    async def ask(_state: Answers) -> dict[str, Any]:
        return {"answers": [interrupt({"question": "Which?"})]}

    graph: Any = StateGraph(Answers)
    for name in ("first", "second"):
        graph.add_node(name, ask)
    graph.add_edge(START, "first")
    graph.add_edge("first", "second")
    held = await data.begin()
    config: RunnableConfig = {"configurable": {"thread_id": held.run.thread_id}}
    given: Any = {"answers": []}
    result: dict[str, Any] = {}
    for number in range(3):
        saver = data.stores.checkpoints.build_saver(held.run, held.fence)
        result = await graph.compile(checkpointer=saver).ainvoke(given, config, durability="sync")
        assert ("__interrupt__" in result) == (number < 2)
        held, given = await data.begin_again(held), Command(resume=f"answer {number}")
    assert result["answers"] == ["answer 0", "answer 1"]


@dataclass
class Custom:
    value: int


def test_a_state_holds_plain_values_only() -> None:
    serializer = StateSerializer()
    plain = {"a": [1, 2.5, None, True, b"x", "y"], "b": {"c": ("d", frozenset({1}))}}
    assert serializer.loads_typed(serializer.dumps_typed(plain)) == {
        **plain,
        "b": {"c": ["d", frozenset({1})]},
    }
    for value in (Custom(1), [Custom(1)], {"a": {"b": (Custom(1),)}}):
        with pytest.raises(StateNotPlain, match="Custom"):
            serializer.dumps_typed(value)
