"""What a person is told when everything runs: addresses, a login, and the first request."""

from collections.abc import Iterable

from msaas.local.console import Console, mask
from msaas.local.home import Home
from msaas.local.running import RunningFleet, find_running
from msaas.local.state import PartState

_FIRST_REQUEST = """\
  TOKEN=$(curl -s '{auth}/auth/v1/token?grant_type=password' -H 'apikey: {key}' \\
    -H 'content-type: application/json' -d '{{"email":"{email}","password":"{password}"}}' \\
    | python3 -c 'import json,sys; print(json.load(sys.stdin)["access_token"])')
  curl -s {api}/api/v1/jobs -H "authorization: Bearer $TOKEN" \\
    -H 'content-type: application/json' \\
    -d '{{"task_type":"navigate_and_extract_text","params":{{"url":"{site}/"}}}}'"""


def show_addresses(console: Console, home: Home, parts: Iterable[PartState]) -> None:
    for part in parts:
        if part.url:
            console.say(f"  {part.name:<14} {mask(part.url)}")
    if fleet := find_running(home):
        _show_way_in(console, fleet)


def _show_way_in(console: Console, fleet: RunningFleet) -> None:
    console.say()
    console.say(f"  API            {fleet.gateway_url}/api/v1")
    console.say(f"  demo login     {fleet.email}  {fleet.password}")
    console.say(f"  operator       {fleet.operator_email}  {fleet.operator_password}")
    console.say("  see a job live ./msaas demo")
    console.say("  or by hand:")
    console.say(
        _FIRST_REQUEST.format(
            auth=fleet.supabase_url,
            key=fleet.anon_key,
            email=fleet.email,
            password=fleet.password,
            api=fleet.gateway_url,
            site=fleet.site_url,
        )
    )
