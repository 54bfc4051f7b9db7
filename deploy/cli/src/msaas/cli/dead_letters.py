"""`./msaas dlq`: lists, replays and resolves dead letters through the operator API."""

import asyncio
import json
import os
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from msaas.contracts import LetterClass, LetterState
from msaas.embedded import LocalError
from msaas.local.api_client import ApiClient
from msaas.local.errors import report_errors
from msaas.local.running_fleet import RunningFleet, get_running_fleet

PATH: Final = "/ops/dead-letters"
PAGE_SIZE: Final = 100
_ROW: Final = (
    "{id:36}  {class:10}  {state:8}  {replays:7}  {died_at:20}  {topic:14}  {name}: {error}"
)


@report_errors
def run(argv: list[str]) -> int:
    options = build_parser().parse_args(argv)
    return asyncio.run(_run_subcommand(get_running_fleet(os.environ), options))


def build_parser() -> ArgumentParser:
    root = ArgumentParser("msaas dlq")
    subcommands = root.add_subparsers(required=True, dest="action")
    listing = subcommands.add_parser("list", help="newest first; only open ones by default")
    listing.add_argument("--state", choices=[str(state) for state in LetterState], default="open")
    listing.add_argument("--limit", type=int, default=20, metavar="N")
    _add_filters(listing)
    showing = subcommands.add_parser("show", help="show one, without user content")
    showing.add_argument("id")
    replaying = subcommands.add_parser("replay", help="resend messages, restart failed jobs")
    resolving = subcommands.add_parser("resolve", help="close them")
    resolving.add_argument("--reason", required=True)
    for subcommand in (replaying, resolving):
        subcommand.add_argument("id", nargs="*")
        subcommand.add_argument(
            "--all", action="store_true", help="all open ones that match the filters"
        )
        _add_filters(subcommand)
    return root


def _add_filters(parser: ArgumentParser) -> None:
    choices = [str(each_class) for each_class in LetterClass]
    parser.add_argument("--class", dest="dead_letter_class", choices=choices)
    parser.add_argument("--topic")


async def _run_subcommand(fleet: RunningFleet, options: Namespace) -> int:
    async with ApiClient(fleet.gateway_url, fleet.supabase_url, fleet.anon_key) as api:
        await api.sign_in(fleet.operator_email, fleet.operator_password)
        match options.action:
            case "list":
                return await _print_list(api, options)
            case "show":
                dead_letter = await api.request_json("GET", f"{PATH}/{options.id}")
                print(json.dumps(dead_letter, indent=2, ensure_ascii=False))
                return 0
            case _:
                return await _replay_or_resolve(api, options)


async def _print_list(api: ApiClient, options: Namespace) -> int:
    titles = dict.fromkeys(("id", "class", "state", "died_at", "topic", "name", "error"), "")
    print(_ROW.format(**{name: name for name in titles}, replays="replays"))
    shown = 0
    async for dead_letter in _iterate_dead_letters(api, options, options.state):
        if shown == options.limit:
            break
        died_at = dead_letter["died_at"][:19] + "Z"
        replays = f"{dead_letter['replay_count']} of 3"
        print(_ROW.format(**{**dead_letter, "died_at": died_at}, replays=replays))
        shown += 1
    return 0


async def _iterate_dead_letters(
    api: ApiClient, options: Namespace, state: str = "open"
) -> AsyncIterator[dict[str, Any]]:
    query = {
        "state": state,
        "class": options.dead_letter_class,
        "topic": options.topic,
        "limit": PAGE_SIZE,
    }
    cursor: str | None = None
    while True:
        given = {name: value for name, value in {**query, "cursor": cursor}.items() if value}
        page = await api.request_json("GET", PATH, params=given)
        for dead_letter in page["items"]:
            yield dead_letter
        if (cursor := page["next_cursor"]) is None:
            return


async def _replay_or_resolve(api: ApiClient, options: Namespace) -> int:
    ids: list[str] = options.id
    if options.all == bool(ids):
        raise LocalError("Pass dead letter ids, or --all.")
    if options.all:
        ids = [dead_letter["id"] async for dead_letter in _iterate_dead_letters(api, options)]
    refused = 0
    for start in range(0, len(ids), PAGE_SIZE):
        outcomes = await _send(api, options, ids[start : start + PAGE_SIZE])
        refused += sum(not item["ok"] for item in outcomes)
        print(*map(_format_outcome, outcomes), sep="\n")
    return 1 if refused else 0


async def _send(api: ApiClient, options: Namespace, ids: Sequence[str]) -> list[dict[str, Any]]:
    body: dict[str, Any] = {"ids": ids}
    if options.action == "resolve":
        body["reason"] = options.reason
    answer = await api.request_json("POST", f"{PATH}/{options.action}", json=body)
    return answer["items"]


def _format_outcome(item: dict[str, Any]) -> str:
    if not item["ok"]:
        return f"✗ {item['id']}  {item['problem']['detail']}"
    because = f" ({item['because']})" if item["because"] else ""
    return f"✓ {item['id']}  {item['outcome']}{because}"
