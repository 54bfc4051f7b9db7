"""The examples of the README run unchanged, on the demo site."""

import json
import re
from pathlib import Path

import pytest
from browser_worker_support import BrowserHarness

from msaas.contracts import TASKS
from msaas.local.demo_site import DemoSite

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"^`(\w+)`\n\n```json\n(.*?)\n```$", README, re.MULTILINE | re.DOTALL))


def test_every_task_of_the_browser_has_an_example() -> None:
    assert set(EXAMPLES) == {name for name, task in TASKS.items() if task.topic == "jobs.browser"}


@pytest.mark.parametrize("task_type", EXAMPLES)
async def test_an_example_does_what_it_says(
    harness: BrowserHarness, site: DemoSite, task_type: str
) -> None:
    params = json.loads(EXAMPLES[task_type].replace("http://127.0.0.1:8010", site.url))
    result = await harness.run_task(task_type, params.pop("url"), **params)
    assert TASKS[task_type].result.model_validate(result) == result
    assert set(harness.saved) <= set(TASKS[task_type].uploads)
