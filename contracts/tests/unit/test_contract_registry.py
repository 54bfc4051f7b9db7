"""Every topic has an owner, a bound and consumers."""

import re
from datetime import timedelta

import pytest

from msaas.contracts import (
    PROCESSES,
    TOPICS,
    OnFull,
    Topic,
    TopicKind,
    UnknownTopic,
    cancel_key,
    claim_key,
    epoch_key,
    feature_key,
    get_topic,
    is_reply_key,
    reply_key,
)

every_topic = pytest.mark.parametrize("topic", TOPICS.values(), ids=TOPICS.keys())


@every_topic
def test_a_topic_has_messages_an_owner_a_producer_and_a_consumer(topic: Topic) -> None:
    assert topic.messages
    assert topic.producers
    assert topic.consumers
    named = {topic.owner, *topic.producers, *topic.consumers, topic.dlq_owner or topic.owner}
    assert named <= set(PROCESSES)


def test_built_processes_have_ports_of_their_own() -> None:
    built = [process for process in PROCESSES.values() if process.command]
    ports = [process.internal_port for process in built]
    ports += [process.public_port for process in built if process.public_port]
    assert None not in ports
    assert len(set(ports)) == len(ports)
    assert PROCESSES["jobs-worker"].internal_port_variable == "JOBS_INTERNAL_PORT"


@every_topic
def test_a_work_topic_has_a_bound_and_an_owner_of_its_dead_letters(topic: Topic) -> None:
    work = topic.kind is TopicKind.WORK
    assert (topic.bound is not None) == work
    assert (topic.dlq_owner is not None) == work
    assert (topic.retention is None) == work


@every_topic
def test_senders_of_commands_read_replies_and_their_consumers_write_them(topic: Topic) -> None:
    replies = get_topic("replies")
    if any(message.on_full is OnFull.REFUSE for message in topic.messages):
        group = PROCESSES[topic.owner].consumer_group
        others = {name for name in topic.producers if PROCESSES[name].consumer_group != group}
        assert others <= set(replies.consumers)
        assert set(topic.consumers) <= replies.producers
    assert all(type(message.on_full) is OnFull for message in topic.messages)


def test_an_undeclared_topic_is_an_error() -> None:
    with pytest.raises(UnknownTopic):
        get_topic("jobs.nonsense")


def test_keys_carry_environment_topic_and_version() -> None:
    browser = get_topic("jobs.browser")
    assert browser.key("prod") == "msaas:prod:stream:jobs.browser.v1"
    assert browser.keys("prod") == ("msaas:prod:stream:jobs.browser.v1",)
    assert browser.group("browser-worker") == "browser-workers"
    assert get_topic("jobs.generic").group("jobs-worker") == "jobs"
    dead = browser.dead_letter_key("prod", "browser-worker")
    assert dead == "msaas:prod:stream:jobs.browser.v1.dlq"
    assert browser.poison_key("prod", "browser-worker") == f"{dead}.poison"
    assert epoch_key("prod") == "msaas:prod:epoch"
    assert cancel_key("prod", "j1") == "msaas:prod:cancel:j1"
    assert claim_key("prod", "j1", "c1") == "msaas:prod:claim:j1:c1"
    assert feature_key("prod", "FF_X", "global") == "msaas:prod:feature:FF_X:global"


def test_a_work_topic_with_several_consumers_has_a_stream_for_each() -> None:
    shared = Topic(
        name="privacy.erasure",
        kind=TopicKind.WORK,
        messages=(),
        owner="privacy",
        producers=frozenset({"privacy"}),
        consumers=("billing", "jobs"),
        bound=1,
    )
    assert shared.key("e", "jobs") == "msaas:e:stream:privacy.erasure.v1.jobs"
    assert shared.keys("e") == (shared.key("e", "billing"), shared.key("e", "jobs"))
    assert shared.dead_letter_key("e", "jobs") == "msaas:e:stream:privacy.erasure.v1.jobs.dlq"
    with pytest.raises(ValueError, match="give the consumer"):
        shared.key("e")


def test_a_log_has_one_stream_for_all_consumers() -> None:
    control = get_topic("jobs.control")
    assert len(control.consumers) > 1
    assert control.keys("e") == ("msaas:e:stream:jobs.control.v1",)


def test_replies_go_to_a_stream_of_the_calling_process() -> None:
    replies = get_topic("replies")
    assert replies.retention == timedelta(seconds=60)
    assert replies.keys("e") == ()
    assert replies.key("e", "gateway-h-1-2") == reply_key("e", "gateway-h-1-2")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("msaas:e:reply:gateway-host.example-42-1767225600", True),
        ("msaas:e:reply:", False),
        ("msaas:e:reply:gateway-1:x", False),
        ("msaas:e:reply:gateway-1\n", False),
        ("msaas:e:reply:" + "g" * 500, False),
        ("msaas:other:reply:gateway-1", False),
        ("msaas:e:stream:jobs.browser.v1", False),
        ("x msaas:e:reply:gateway-1", False),
    ],
)
def test_only_a_reply_stream_of_this_environment_takes_replies(key: str, expected: bool) -> None:  # noqa: FBT001  # a table's column
    assert is_reply_key("e", key) is expected


def test_topic_names_are_words_and_dots() -> None:
    assert all(re.fullmatch(r"[a-z]+(\.[a-z]+)*", name) for name in TOPICS)
