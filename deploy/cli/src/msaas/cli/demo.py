"""`./msaas demo`: signs in, submits a job, shows its events live, prints the result."""

import asyncio
import json
import os
import sys
import time
from argparse import ArgumentParser

from msaas.cli import demo_agent
from msaas.local.api_client import ApiClient
from msaas.local.errors import report_errors
from msaas.local.running_fleet import RunningFleet, get_running_fleet


@report_errors
def run(argv: list[str]) -> int:
    if argv[:1] == ["agent"]:
        return demo_agent.run(argv[1:])
    parser = ArgumentParser("msaas demo")
    parser.add_argument(
        "url", nargs="?", help="the page to read (default: a page of the demo site)"
    )
    options = parser.parse_args(argv)
    fleet = get_running_fleet(os.environ)
    status = asyncio.run(run_demo(fleet, options.url or f"{fleet.site_url}/article"))
    return 0 if status == "COMPLETED" else 1


async def run_demo(fleet: RunningFleet, url: str) -> str:
    async with ApiClient(fleet.gateway_url, fleet.supabase_url, fleet.anon_key) as api:
        await api.sign_in(fleet.email, fleet.password)
        print(f"✓ signed in as {fleet.email}")
        cursor = (await api.list_jobs(limit=1))["stream_cursor"]
        began = time.monotonic()
        job = await api.submit("navigate_and_extract_text", {"url": url})
        print(f"✓ submitted {job['id']}: the text of {url}")
        status = ""
        async for event in api.watch(job["id"], cursor):
            status = event.data.get("status", status)
            shown = event.data["status"] if event.name == "job" else event.data.get("message")
            print(f"  {time.monotonic() - began:6.2f} s  {shown}")
        if status == "COMPLETED":
            result = await api.result(job["id"])
            print(json.dumps(result, indent=2, ensure_ascii=False))
        else:
            print(f"✗ {(await api.job(job['id'])).get('last_error')}", file=sys.stderr)
        return status
