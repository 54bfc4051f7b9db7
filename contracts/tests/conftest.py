"""Fixtures of the contract tests: the root, samples by name, an entry."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from msaas.contracts.generate import find_root, list_models

ENTRY = {
    b"id": b"01938e5a-7c00-7000-8000-0000000000aa",
    b"type": b"JobHeartbeat",
    b"v": b"1",
    b"correlation_id": b"req-7f3a",
    b"traceparent": b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    b"ts": b"2026-01-01T00:00:01.250000Z",
    b"data": (
        b'{"job_id":"01938e5a-7c00-7000-8000-000000000001",'
        b'"fence":"c0ffee00-1111-4222-8333-444455556666","lease_ms":10000}'
    ),
}


@pytest.fixture(scope="session")
def root() -> Path:
    found = find_root(Path(__file__).parent)
    assert found is not None
    return found


@pytest.fixture(scope="session")
def read_sample(root: Path) -> Callable[[str], bytes]:
    return lambda name: (root / f"contracts/samples/v1/{name}.json").read_bytes()


@pytest.fixture(scope="session")
def load_sample(read_sample: Callable[[str], bytes]) -> Callable[[str], Any]:
    """Return a function that parses a sample into its model."""
    models = list_models()
    return lambda name: models[name].model_validate_json(read_sample(name))


@pytest.fixture
def entry() -> dict[bytes, bytes]:
    """Return the fields of a valid heartbeat."""
    return dict(ENTRY)


@pytest.fixture
def header() -> dict[str, Any]:
    """Return the arguments of `encode` besides the message."""
    return {
        "id": UUID("01938e5a-7c00-7000-8000-0000000000aa"),
        "correlation_id": "req-7f3a",
        "ts": datetime(2026, 1, 1, 0, 0, 1, 250_000, UTC),
    }
