"""Parameters and results of a run are validated by the catalogue."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msaas.contracts import (
    Artifact,
    EchoParams,
    EchoResult,
    JobFailed,
    Progress,
    ValueObject,
    get_task,
)
from msaas.testing import FakeClock, build_job_envelope, build_job_meta
from msaas.worker import ActionFailed, RunContext
from msaas.worker.outcomes import RunFailure, build_job_failed, build_result_fields, decode_params

ECHO = get_task("echo")
PAGE = {"url": "http://a.test/", "final_url": "http://a.test/"}
plain = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text("ab\n")
payloads = st.dictionaries(st.sampled_from(["message", "delay_ms", "other"]), plain)


def run_of(stored: dict[str, bytes] | None = None) -> RunContext:
    """Return a run that can store large results where `stored` is given."""

    async def send_progress(_progress: Progress) -> None: ...

    async def is_cancelled() -> bool:
        return False

    async def save_artifact(name: str, content: bytes, content_type: str) -> Artifact:
        assert stored is not None
        stored[name] = content
        size = len(content)
        return Artifact(name=name, content_type=content_type, size=size, sha256="0" * 64)

    uploads = {} if stored is None else {"result.json": "http://store.test/"}
    return RunContext(
        build_job_envelope(meta=build_job_meta(uploads=uploads)),
        EchoParams(message="x"),
        clock=FakeClock(),
        timeout=1,
        send_progress=send_progress,
        is_cancelled=is_cancelled,
        save_artifact=save_artifact,
    )


def decode(payload: dict[str, Any]) -> ValueObject | RunFailure:
    try:
        return decode_params(ECHO, build_job_envelope(payload=payload))
    except ActionFailed as error:
        return RunFailure.from_error(error)


@given(payloads)
def test_any_payload_is_decoded_or_fails_permanently(payload: dict[str, Any]) -> None:
    found = decode(payload)
    if isinstance(found, RunFailure):
        assert (found.reason, found.may_retry) == ("invalid_payload", False)
    else:
        assert found.model_dump(include=set(payload)).items() <= payload.items()


def test_an_invalid_payload_names_the_fields_and_not_their_values() -> None:
    envelope = build_job_envelope(payload={"message": 7, "delay_ms": "hunter2"})
    with pytest.raises(ActionFailed, match="not valid: message, delay_ms") as raised:
        decode_params(ECHO, envelope)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("result", [EchoResult(message="x"), {"message": "x"}])
async def test_a_result_may_be_the_model_or_its_fields(result: Any) -> None:
    assert await build_result_fields(ECHO, run_of(), result) == {"result": {"message": "x"}}


@pytest.mark.parametrize("size", [60_000, 66_000])
async def test_a_result_over_64_kib_is_stored_as_a_file(size: int) -> None:
    task, result = get_task("navigate_and_extract_text"), PAGE | {"text": "x" * size}
    stored: dict[str, bytes] = {}
    fields = await build_result_fields(task, run_of(stored), result)
    if size < 64 * 1024:
        assert fields["result"]["text"] == "x" * size
        assert stored == {}
    else:
        assert fields == {"result_ref": "result.json"}
        assert json.loads(stored["result.json"])["text"] == "x" * size


async def test_a_large_result_without_a_link_is_too_large() -> None:
    task, result = get_task("navigate_and_extract_text"), PAGE | {"text": "x" * 66_000}
    with pytest.raises(ActionFailed) as raised:
        await build_result_fields(task, run_of(), result)
    assert (raised.value.reason, raised.value.may_retry) == ("result_too_large", False)


def test_a_failure_has_the_message_for_the_user() -> None:
    envelope = build_job_envelope()
    error = ActionFailed("navigation_failed", "No such page.", retryable=True)
    message = build_job_failed(envelope, RunFailure.from_error(error), envelope.meta.enqueue_ts)
    assert isinstance(message, JobFailed)
    assert (message.failure_reason, message.last_error) == ("navigation_failed", "No such page.")
    assert (message.fence, message.retryable) == (envelope.fence, True)
