"""The worker implements every task of its topic, with the samples of the contracts."""

from pathlib import Path
from typing import Any

from msaas.browser_worker.actions.navigation import fit_text
from msaas.browser_worker.egress.policy import EgressPolicy
from msaas.browser_worker.egress.proxy import EgressProxyFactory
from msaas.browser_worker.engine import Engine
from msaas.browser_worker.run import KIND, TOPIC, make_actions
from msaas.contracts import (
    TASKS,
    TOPICS,
    NavigateAndExtractTextParams,
    NavigateAndExtractTextResult,
)
from msaas.telemetry import Metrics

SAMPLES = Path(__file__).parents[4] / "contracts/samples/v1"


def read(kind: str) -> bytes:
    return (SAMPLES / f"task.navigate_and_extract_text.{kind}.json").read_bytes()


async def never() -> Any:
    raise AssertionError("no browser is expected")


def test_every_task_of_its_topic_has_an_action() -> None:
    metrics = Metrics(KIND, "test")
    engine = Engine(never, slots=1, recycle_after=1, metrics=metrics)
    actions = make_actions(engine, EgressProxyFactory(EgressPolicy(), metrics), metrics)
    assert set(actions) == {name for name, task in TASKS.items() if task.topic == TOPIC}
    assert KIND in TOPICS[TOPIC].consumers


def test_the_samples_are_what_it_reads_and_writes() -> None:
    params = NavigateAndExtractTextParams.model_validate_json(read("params"))
    result = NavigateAndExtractTextResult.model_validate_json(read("result"))
    assert result.url == params.url
    assert fit_text(result.model_copy(update={"text": ""}), result.text) == result
