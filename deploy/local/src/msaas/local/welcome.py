"""What `up` prints when everything runs: addresses, logins and a first request."""

from collections.abc import Iterable

from msaas.local.console import Console, mask_password
from msaas.local.home import Home
from msaas.local.running_fleet import RunningFleet, find_running_fleet
from msaas.local.state import PartState

_FIRST_REQUEST = """\
  TOKEN=$(curl -s '{auth}/auth/v1/token?grant_type=password' -H 'apikey: {key}' \\
    -H 'content-type: application/json' -d '{{"email":"{email}","password":"{password}"}}' \\
    | python3 -c 'import json,sys; print(json.load(sys.stdin)["access_token"])')
  curl -s {api}/api/v1/jobs -H "authorization: Bearer $TOKEN" \\
    -H 'content-type: application/json' \\
    -d '{{"task_type":"navigate_and_extract_text","params":{{"url":"{site}/"}}}}'"""


def show_addresses(console: Console, home: Home, parts: Iterable[PartState]) -> None:
    # The dashboard first: it is what a person opens.
    for part in sorted(parts, key=lambda part: part.name != "dashboard"):
        if part.url:
            console.print(f"  {part.name:<14} {mask_password(part.url)}")
    if fleet := find_running_fleet(home):
        _show_login(console, fleet)


def _show_login(console: Console, fleet: RunningFleet) -> None:
    console.print()
    console.print(f"  API            {fleet.gateway_url}/api/v1")
    console.print(f"  demo login     {fleet.email}  {fleet.password}")
    console.print(f"  operator       {fleet.operator_email}  {fleet.operator_password}")
    console.print("  see a job live ./msaas demo")
    console.print("  or by hand:")
    console.print(
        _FIRST_REQUEST.format(
            auth=fleet.supabase_url,
            key=fleet.anon_key,
            email=fleet.email,
            password=fleet.password,
            api=fleet.gateway_url,
            site=fleet.site_url,
        )
    )
