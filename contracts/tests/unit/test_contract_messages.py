"""Every message, task and frame has a hand-written sample, and all its fields have limits."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError

from msaas.contracts import (
    TASKS,
    JobFailed,
    JobHeartbeat,
    JobLost,
    JobProgressed,
    JobSucceeded,
    LossReason,
    Progress,
    Reply,
    ReplyProblem,
    SubmitJob,
    Task,
)
from msaas.contracts.generate import list_models
from msaas.testing import build_submit_job

MODELS = list_models()
NOW = datetime(2026, 1, 1, tzinfo=UTC)
every_model = pytest.mark.parametrize("name", MODELS)


@every_model
def test_its_sample_survives_a_round_trip(name: str, read_sample: Callable[[str], bytes]) -> None:
    sample = read_sample(name)
    parsed = MODELS[name].model_validate_json(sample)
    assert json.loads(parsed.model_dump_json(exclude_unset=True)) == json.loads(sample)


@every_model
def test_its_sample_matches_its_committed_schema(
    name: str, root: Path, read_sample: Callable[[str], bytes]
) -> None:
    schema = json.loads((root / f"contracts/schemas/v1/{name}.json").read_text())
    Draft202012Validator.check_schema(schema)
    errors = Draft202012Validator(schema).iter_errors(json.loads(read_sample(name)))  # pyright: ignore[reportUnknownMemberType]  # the stub's kwargs
    assert list(errors) == []


@every_model
def test_it_ignores_unknown_fields(
    name: str, read_sample: Callable[[str], bytes], load_sample: Callable[[str], BaseModel]
) -> None:
    newer = {**json.loads(read_sample(name)), "added_in_a_later_release": {"x": 1}}
    assert MODELS[name].model_validate_json(json.dumps(newer)) == load_sample(name)


@every_model
def test_all_its_texts_and_numbers_have_limits(name: str) -> None:
    unlimited = [node for node in _leaves(MODELS[name].model_json_schema()) if not _limited(node)]
    assert unlimited == []


def test_each_model_has_exactly_one_sample(root: Path) -> None:
    samples = (root / "contracts/samples/v1").glob("*.json")
    assert {sample.name.removesuffix(".json") for sample in samples} == set(MODELS)


def _leaves(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        typed = cast("dict[str, Any]", node)
        if str(typed.get("type")) in {"string", "integer", "number"}:  # or a field of that name
            yield typed
        for value in typed.values():
            yield from _leaves(value)
    elif isinstance(node, list):
        for value in cast("list[Any]", node):
            yield from _leaves(value)


def _limited(node: dict[str, Any]) -> bool:
    if node["type"] == "string":
        fixed = node.get("pattern", "").endswith("{64}$")
        return fixed or bool({"maxLength", "format", "enum", "const"} & set(node))
    return {"maximum", "minimum"} <= set(node)


def test_a_message_accepts_only_typed_values() -> None:
    with pytest.raises(ValidationError):
        JobHeartbeat(job_id=cast("UUID", str(uuid4())), fence=uuid4())


def test_a_message_is_frozen() -> None:
    heartbeat = JobHeartbeat(job_id=uuid4(), fence=uuid4())
    with pytest.raises(ValidationError):
        heartbeat.lease_ms = 20_000


def test_an_error_contains_no_content() -> None:
    with pytest.raises(ValidationError) as caught:
        SubmitJob.model_validate_json('{"payload": "hunter2"}')
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("both", [True, False])
def test_a_success_has_a_result_or_a_reference(both: bool) -> None:  # noqa: FBT001  # a table's column
    given: dict[str, Any] = {"result": {}, "result_ref": "result.json"} if both else {}
    with pytest.raises(ValidationError, match="either result or result_ref"):
        JobSucceeded(job_id=uuid4(), fence=uuid4(), started_at=NOW, finished_at=NOW, **given)


@pytest.mark.parametrize("name", ["../other/result.json", "a/b", ".hidden", "", "x" * 101])
def test_a_result_reference_is_the_name_of_a_slot(name: str) -> None:
    with pytest.raises(ValidationError):
        JobSucceeded(
            job_id=uuid4(), fence=uuid4(), result_ref=name, started_at=NOW, finished_at=NOW
        )


def test_an_expired_lease_requires_its_time() -> None:
    drained = JobLost(job_id=uuid4(), fence=uuid4(), reason=LossReason.DRAINED)
    assert drained.lease_until is None
    with pytest.raises(ValidationError, match="lease_until"):
        JobLost(job_id=uuid4(), fence=uuid4(), reason=LossReason.LEASE_EXPIRED)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValidationError):
        JobLost(
            job_id=uuid4(),
            fence=uuid4(),
            reason=LossReason.LEASE_EXPIRED,
            lease_until=datetime(2026, 1, 1),  # noqa: DTZ001  # what is tested
        )


def test_foreign_text_is_normalised_and_truncated() -> None:
    failed = JobFailed(
        job_id=uuid4(),
        fence=uuid4(),
        failure_reason="navigation_failed",
        last_error="a\0b\ud800c" + "x" * 2_000,
        retryable=True,
        finished_at=NOW,
    )
    assert failed.last_error.startswith("a\ufffdb\ufffdcx")
    assert len(failed.last_error) == 1_000
    progressed = JobProgressed(job_id=uuid4(), fence=uuid4(), progress=Progress(message="m" * 999))
    assert progressed.progress.message == "m" * 200


def test_a_reply_converts_ids_and_times() -> None:
    job_id = uuid4()
    reply = Reply(
        command_id=uuid4(), ok=True, data={"job_id": job_id, "wait": timedelta(seconds=2)}
    )
    assert reply.data == {"job_id": str(job_id), "wait": "PT2S"}


@pytest.mark.parametrize("ok", [True, False])
def test_only_a_refusal_has_a_problem(ok: bool) -> None:  # noqa: FBT001  # a table's column
    problem = ReplyProblem(code="conflict", detail="It has ended.", retryable=False)
    with pytest.raises(ValidationError, match="a refusal has a problem"):
        Reply(command_id=uuid4(), ok=ok, problem=problem if ok else None)


def test_times_keep_their_time_zone() -> None:
    lost = JobLost(
        job_id=uuid4(),
        fence=uuid4(),
        reason=LossReason.LEASE_EXPIRED,
        lease_until=NOW.astimezone(timezone(timedelta(hours=2))),
    )
    assert json.loads(lost.model_dump_json())["lease_until"] == "2026-01-01T02:00:00+02:00"


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())
def test_a_misspelt_parameter_can_be_refused(
    task: Task, load_sample: Callable[[str], BaseModel]
) -> None:
    params = load_sample(f"task.{task.task_type}.params").model_dump()
    with pytest.raises(ValidationError, match="extra_forbidden"):
        task.params.model_validate({**params, "urll": 1}, extra="forbid")


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1969-12-31T23:59:59Z"]
)
def test_a_time_outside_the_allowed_years_is_refused(moment: str) -> None:
    fields = build_submit_job().model_dump(mode="json") | {"run_at": moment}
    with pytest.raises(ValidationError, match="1970 to 2999"):
        SubmitJob.model_validate_json(json.dumps(fields))
