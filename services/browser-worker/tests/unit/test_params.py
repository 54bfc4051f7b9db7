"""Options that all browser tasks share: they are refused, or become a context."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import to_json

from msaas.browser_worker.actions.context_options import (
    ENGINE_BLOCKED_RESOURCES,
    build_context_options,
    get_blocked_resources,
)
from msaas.contracts import TASKS, NavigateAndExtractTextParams, PageParams

KNOWN = {"viewport", "device_scale_factor", "is_mobile", "has_touch", "user_agent", "locale"} | {
    "extra_http_headers",
    "java_script_enabled",
}
anything = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
wild = st.fixed_dictionaries(
    {},
    optional={
        "viewport": anything
        | st.fixed_dictionaries({"width": st.integers(0, 5_000), "height": st.integers(0, 5_000)}),
        "device": anything | st.sampled_from(["desktop", "tablet", "phone"]),
        "locale": anything | st.sampled_from(["de", "de-DE", "zh-Hant-TW", "x-y"]),
        "timezone": anything,
        "user_agent": anything,
        "headers": anything
        | st.dictionaries(st.sampled_from(["dnt", "cookie", "host", "referer"]), st.text()),
        "block_resources": anything
        | st.lists(st.sampled_from(["image", "font", "script", "dreams"]), max_size=8),
        "javascript": anything,
        "timeout_ms": anything,
    },
)


@given(wild, st.booleans())
def test_options_are_refused_or_become_a_context(
    given_: dict[str, Any],
    needs_images: bool,  # noqa: FBT001  # generated
) -> None:
    try:
        sent = to_json({"url": "http://a.test/", **given_})
        params = NavigateAndExtractTextParams.model_validate_json(sent)
    except (ValidationError, ValueError):
        return
    options = build_context_options(params)
    assert options.keys() <= KNOWN
    assert {"cookie", "host"}.isdisjoint(options.get("extra_http_headers", {}))
    blocked = get_blocked_resources(params, needs_images=needs_images)
    if params.block_resources is not None:
        assert blocked == set(params.block_resources)
    else:
        assert blocked == (frozenset() if needs_images else ENGINE_BLOCKED_RESOURCES)


def test_every_task_of_the_browser_takes_the_shared_options() -> None:
    tasks = [task for task in TASKS.values() if task.topic == "jobs.browser"]
    assert len(tasks) == 8
    assert all(issubclass(task.params, PageParams) for task in tasks)
    assert all("cookies" in task.secrets for task in tasks)
    assert all("result.json" in task.uploads for task in tasks)
