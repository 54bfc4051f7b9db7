"""The catalogue contains the flags of all tasks, and the environment is validated."""

import pytest

from msaas.contracts import TASKS
from msaas.flags import FLAGS, parse_requested_flags, read_defaults
from msaas.settings import SettingsInvalid


def test_each_flag_that_a_task_names_exists_under_its_own_name() -> None:
    assert {name for task in TASKS.values() for name in task.flags} <= FLAGS.keys()
    assert all(name == flag.name and name.startswith("FF_") for name, flag in FLAGS.items())


@pytest.mark.parametrize("value", ["true", "TRUE", "1", "on"])
def test_the_environment_switches_a_flag_on(value: str) -> None:
    assert read_defaults({"FF_AGENTS_ENABLED": value})["FF_AGENTS_ENABLED"]


def test_a_flag_without_a_variable_has_its_declared_default() -> None:
    assert read_defaults({"HOME": "/", "FF_AGENTS_ENABLED": ""}) == {
        name: flag.default for name, flag in FLAGS.items()
    }


@pytest.mark.parametrize(
    "environ", [{"FF_AGENT_ENABLED": "true"}, {"FF_AGENTS_ENABLED": "maybe"}, {"FF_": "1"}]
)
def test_an_invalid_variable_is_reported(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsInvalid) as refusal:
        read_defaults(environ)
    assert refusal.value.problems.keys() == environ.keys()


@pytest.mark.parametrize(
    ("header", "requested"),
    [
        (None, set[str]()),
        ("", set[str]()),
        ("FF_AGENTS_ENABLED", {"FF_AGENTS_ENABLED"}),
        (" FF_AGENTS_ENABLED ,FF_NO_SUCH", {"FF_AGENTS_ENABLED"}),
        ("FF_BROWSER_WORKER_ENABLED", set[str]()),
        ("ff_agents_enabled", set[str]()),
    ],
)
def test_only_dark_flags_can_be_requested(header: str | None, requested: set[str]) -> None:
    assert parse_requested_flags(header) == requested
