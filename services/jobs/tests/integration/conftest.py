"""Dispatched jobs, and the reports of their runs, without Redis."""

from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest
from services.jobs.tests.support import (
    Given,
    MakeResults,
    PickMessages,
    ReadCharges,
    ResultsHarness,
)

from msaas.contracts import JobChanged, Message, UsageRecorded
from msaas.messaging import OutgoingMessage
from msaas.postgres import Database


@pytest.fixture
def given(rows: asyncpg.Connection) -> Given:
    return Given(rows)


@pytest.fixture
def make_results(database: Database) -> MakeResults:
    def make(database: Database = database, *, once: Sequence[str] = ()) -> ResultsHarness:
        return ResultsHarness(database, frozenset(once))

    return make


@pytest.fixture
def results(make_results: MakeResults) -> ResultsHarness:
    return make_results()


@pytest.fixture
def pick_messages() -> PickMessages:
    """Take the messages of a kind out of what is to be published."""

    def pick(outgoing: Sequence[OutgoingMessage], kind: type[Message] = JobChanged) -> list[Any]:
        return [o.message for o in outgoing if isinstance(o.message, kind)]

    return pick


@pytest.fixture
def charges(pick_messages: PickMessages) -> ReadCharges:
    def charges_(outgoing: Sequence[OutgoingMessage]) -> list[UsageRecorded]:
        return pick_messages(outgoing, UsageRecorded)

    return charges_
