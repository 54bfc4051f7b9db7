"""Renders the topics of the registry as an AsyncAPI 3 document, with FastStream."""

import sys
from pathlib import Path
from typing import Any, Union, cast

import yaml
from faststream.redis import RedisBroker, StreamSub
from faststream.specification import AsyncAPI

from msaas.contracts import TOPICS, Topic, TopicKind, reply_key
from msaas.contracts.generate import GeneratedFiles, run_generator

DOCUMENT = Path("contracts/asyncapi.yaml")
ENVIRONMENT = "{env}"
REQUIRED_HEADERS = ["id", "type", "v", "correlation_id", "ts"]
OPTIONAL_HEADERS = ["traceparent", "reply_to", "ttl_ms"]
HEADERS_SCHEMA = {
    "type": "object",
    "required": REQUIRED_HEADERS,
    "properties": {name: {"type": "string"} for name in REQUIRED_HEADERS + OPTIONAL_HEADERS},
}
"""The fields of a stream entry beside `data`, which carries the payload; a stream holds text."""


def build_broker() -> RedisBroker:
    """Declare each granted use of each topic, without connecting."""
    broker = RedisBroker(specification_url="redis://localhost:6379")
    for topic in TOPICS.values():
        payload = cast("Any", Union)[topic.messages]
        for consumer in topic.consumers:
            _declare_consumer(broker, topic, consumer, payload)
        for key in dict.fromkeys(_key(topic, consumer) for consumer in topic.consumers):
            for producer in sorted(topic.producers):
                broker.publisher(stream=key, title=f"{_short(key)} from {producer}", schema=payload)
    return broker


def _declare_consumer(broker: RedisBroker, topic: Topic, consumer: str, payload: Any) -> None:
    async def receive(message: Any) -> None: ...

    receive.__annotations__["message"] = payload
    key = _key(topic, consumer)
    group = topic.group(consumer) if topic.kind is TopicKind.WORK else None
    retention = f"at most {topic.bound} entries" if topic.bound else f"kept for {topic.retention}"
    broker.subscriber(
        stream=StreamSub(key, group=group, consumer=group and consumer),
        title=f"{_short(key)} to {consumer}",
        description=f"{topic.kind} topic of {topic.owner}, {retention}",
    )(receive)


def _short(key: str) -> str:
    return key.removeprefix(f"msaas:{ENVIRONMENT}:").removeprefix("stream:")


def _key(topic: Topic, consumer: str) -> str:
    if topic.kind is TopicKind.REPLY:
        return reply_key(ENVIRONMENT, f"{consumer}-{{process}}")
    return topic.key(ENVIRONMENT, consumer)


def render() -> str:
    description = "Every topic of the fleet. Written by `./msaas contracts`."
    document: Any = AsyncAPI(
        build_broker(), title="micro-saas", version="1", description=description
    )
    rendered = document.to_specification().to_jsonable()
    rendered["components"]["schemas"]["EntryHeaders"] = HEADERS_SCHEMA
    for message in rendered["components"]["messages"].values():
        message["headers"] = {"$ref": "#/components/schemas/EntryHeaders"}
    return yaml.safe_dump(rendered, sort_keys=True, allow_unicode=True)


def render_files(_root: Path) -> GeneratedFiles:
    return {DOCUMENT: render()}


def main(arguments: list[str] | None = None) -> int:
    return run_generator(render_files, __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
