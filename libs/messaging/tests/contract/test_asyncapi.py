"""The AsyncAPI document says what the registry says."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from msaas.contracts import TOPICS, TopicKind
from msaas.messaging.asyncapi import DOCUMENT, main, render


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
    messages = {one.type_name() for topic in TOPICS.values() for one in topic.messages}
    assert messages <= document["components"]["schemas"].keys()


def test_the_committed_document_is_what_the_registry_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "contracts").mkdir()
    assert main([str(tmp_path), "--check"]) == 1
    assert str(DOCUMENT) in capsys.readouterr().err
    assert main([str(tmp_path)]) == 0
    assert main([str(tmp_path), "--check"]) == 0
