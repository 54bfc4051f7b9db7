"""A built message is valid, new each time, and has the fields that the test names."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from pydantic import ValidationError

from msaas.contracts import Plan, decode, encode, get_topic
from msaas.testing import (
    build_job_envelope,
    build_job_meta,
    build_job_started,
    build_job_succeeded,
    build_submit_job,
)


def test_every_call_builds_another_job() -> None:
    assert build_submit_job().job_id != build_submit_job().job_id
    assert build_job_envelope().fence != build_job_envelope().fence


def test_a_test_names_the_fields_it_cares_about() -> None:
    envelope = build_job_envelope(attempts=2, meta=build_job_meta(plan=Plan.PRO))
    assert (envelope.attempts, envelope.meta.plan) == (2, Plan.PRO)


def test_results_belong_to_the_run_of_their_envelope() -> None:
    envelope = build_job_envelope()
    for result in (build_job_started(envelope), build_job_succeeded(envelope)):
        assert (result.job_id, result.fence) == (envelope.job_id, envelope.fence)


def test_a_field_that_is_wrong_is_refused() -> None:
    with pytest.raises(ValidationError):
        build_submit_job(priority=11)


def test_a_built_message_goes_over_the_broker() -> None:
    envelope = build_job_envelope()
    fields = encode(envelope, id=uuid4(), correlation_id="test", ts=datetime.now(UTC))
    assert decode(get_topic("jobs.generic"), fields).message == envelope
