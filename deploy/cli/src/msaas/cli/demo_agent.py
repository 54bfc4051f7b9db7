"""`./msaas demo agent`: asks about the demo site, streams the answer, verifies its citations."""

import asyncio
import json
import os
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from msaas.local.api_client import ApiClient
from msaas.local.errors import report_errors
from msaas.local.home import REPOSITORY
from msaas.local.running_fleet import RunningFleet, get_running_fleet

QUESTION: Final = "What does occulting mean?"
VERIFIER: Final = REPOSITORY / "deploy" / "verify" / "verify_citations.py"
MAX_SECONDS: Final = 300


@report_errors
def run(argv: list[str]) -> int:
    parser = ArgumentParser("msaas demo agent")
    parser.add_argument("question", nargs="?", default=QUESTION)
    options = parser.parse_args(argv)
    fleet = get_running_fleet(os.environ)
    return 0 if asyncio.run(run_demo(fleet, options.question)) else 1


async def run_demo(fleet: RunningFleet, question: str) -> bool:
    """Return whether the run has answered and each citation is literally in its page."""
    async with ApiClient(fleet.gateway_url, fleet.supabase_url, fleet.anon_key) as api:
        await api.sign_in(fleet.email, fleet.password)
        print(f"✓ signed in as {fleet.email}")
        body = {"question": question, "seeds": [f"{fleet.site_url}/article"], "max_pages": 3}
        submitted = await api.request_json("POST", "/agents/workflows/research/runs", json=body)
        run_id = submitted["id"]
        print(f"✓ submitted {run_id}: {question}")
        async with asyncio.timeout(MAX_SECONDS):
            await _watch(api, run_id)
        run = await api.request_json("GET", f"/agents/runs/{run_id}")
        if run["state"] != "succeeded":
            print(f"✗ {run['state']}: {run['failure_reason']}", file=sys.stderr)
            return False
        result: dict[str, Any] = run["result"]  # the job of the run ends a moment later
        _show(result)
        return await _verify(api, result)


async def _watch(api: ApiClient, run_id: str) -> None:
    """Print steps and text as they come, until the run has ended."""
    began = time.monotonic()
    shown: set[tuple[int, str]] = set()
    async with aclosing(api.events(path=f"/agents/runs/{run_id}/stream")) as events:
        async for event in events:
            if event.name == "step":
                _show_step(event.data, shown, time.monotonic() - began)
            elif event.name == "token":
                print(event.data["text"], end="", flush=True)
            elif event.name in {"run", "finished"} and event.data.get("finished_at"):
                print()
                return


def _show_step(step: Mapping[str, Any], shown: set[tuple[int, str]], seconds: float) -> None:
    key = (step["seq"], step["state"])
    if key not in shown:
        shown.add(key)
        print(f"  {seconds:6.2f} s  {step['state']:8} {step['title']}")


def _show(result: Mapping[str, Any]) -> None:
    print(f"\n{result['answer']}\n")
    for number, citation in enumerate(result["citations"], start=1):
        place = f"{citation['url']} {citation['start']}-{citation['end']}"
        print(f"  [{number}] {place}: {citation['quote']!r}")
    spend = result["spend"]
    print(
        f"\n  {result['provider']}: {spend['model_calls']} calls of a model,"
        f" {spend['tokens_in']} + {spend['tokens_out']} tokens,"
        f" {spend['cost_micro_usd'] / 1e6:.4f} USD, {spend['child_jobs']} child jobs"
    )


async def _verify(api: ApiClient, result: Mapping[str, Any]) -> bool:
    """Let the program outside compare the citations with what the child jobs have read."""
    jobs = {each["job_id"] for each in result["citations"] if each["job_id"]}
    read = [(await api.result(job_id))["result"] for job_id in sorted(jobs)]
    pages = [{"url": each["final_url"], "text": each["markdown"]} for each in read]
    with TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("result.json", "pages.json")]
        for file, content in zip(files, (result, pages), strict=True):
            await asyncio.to_thread(file.write_text, json.dumps(content), "utf-8")
        command = [sys.executable, str(VERIFIER), *map(str, files)]
        done = await asyncio.to_thread(
            subprocess.run, command, check=False, capture_output=True, text=True
        )
    print(f"{'✓' if done.returncode == 0 else '✗'} {done.stdout.strip()}")
    return done.returncode == 0 and bool(jobs)
