"""The AsyncAPI document matches the registry."""

import re
from datetime import UTC, datetime
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from msaas.contracts import TOPICS, TopicKind, encode
from msaas.dev.asyncapi import DOCUMENT, main, render
from msaas.kernel import new_id
from msaas.testing import build_submit_job


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return yaml.safe_load(render())


def test_it_is_an_asyncapi_3_document(document: dict[str, Any]) -> None:
    assert document["asyncapi"] == "3.0.0"
    assert {"info", "channels", "operations", "components"} <= document.keys()


@pytest.mark.parametrize("topic", TOPICS.values(), ids=lambda topic: topic.name)
def test_every_topic_is_sent_by_its_producers_and_received_by_its_consumers(
    document: dict[str, Any], topic: Any
) -> None:
    name = "reply:" if topic.kind is TopicKind.REPLY else f"{topic.name}.v{topic.version}"
    titles = [title for title in document["channels"] if title.startswith(name)]
    for producer in topic.producers:
        assert any(title.endswith(f" from {producer}") for title in titles)
    for consumer in topic.consumers:
        assert any(title.endswith(f" to {consumer}") for title in titles)


def test_every_message_of_the_registry_has_its_schema(document: dict[str, Any]) -> None:
    messages = {message.type_name() for topic in TOPICS.values() for message in topic.messages}
    assert messages <= document["components"]["schemas"].keys()


def test_every_reference_leads_somewhere_and_every_message_is_referred_to(
    document: dict[str, Any],
) -> None:
    references = set(re.findall(r"'?\$ref'?: '#/([^']+)'", render()))
    for reference in references:
        reduce(getitem, unquote(reference).split("/"), document)
    messages = {f"components/messages/{name}" for name in document["components"]["messages"]}
    assert messages <= {unquote(reference) for reference in references}


def test_the_headers_are_the_fields_that_an_entry_has_beside_its_data(
    document: dict[str, Any],
) -> None:
    headers = document["components"]["schemas"]["EntryHeaders"]
    always: dict[str, Any] = {"id": new_id(), "correlation_id": "c", "ts": datetime.now(UTC)}
    at_times: dict[str, Any] = {
        "traceparent": f"00-{1:032x}-{1:016x}-01",
        "reply_to": "somewhere",
        "ttl_ms": 1,
    }
    least = encode(build_submit_job(), **always)
    most = encode(build_submit_job(), **always, **at_times)
    assert {*headers["required"], "data"} == {name.decode() for name in least}
    assert {*headers["properties"], "data"} == {name.decode() for name in most}


def test_the_committed_document_is_what_the_registry_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "contracts").mkdir()
    assert main([str(tmp_path), "--check"]) == 1
    assert str(DOCUMENT) in capsys.readouterr().err
    assert main([str(tmp_path)]) == 0
    assert main([str(tmp_path), "--check"]) == 0
