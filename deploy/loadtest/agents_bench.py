"""Measures the calls of models: failing over between providers, and the delay of a streamed token.

The providers are servers of this program that speak OpenAI's and Anthropic's formats, so that all
that is measured is our own. Exits with 1 when a goal is missed.
"""

import asyncio
import statistics
import sys
import time
from argparse import Namespace
from decimal import Decimal

from goals import Table, parse_options, percentiles

from msaas.agents.adapters.models.anthropic import AnthropicFormat
from msaas.agents.adapters.models.fallback import FallbackModels, PricedProvider
from msaas.agents.adapters.models.http_provider import HttpProvider, ModelTimeouts
from msaas.agents.adapters.models.openai import OpenAiFormat
from msaas.agents.adapters.models.prices import TokenPrice
from msaas.agents.domain.errors import ModelUnavailable
from msaas.agents.domain.models import ChatMessage, ModelRequest
from msaas.dev.workspace import ROOT
from msaas.telemetry import Metrics

sys.path.append(str(ROOT / "services/agents/tests/support"))

from model_server import ModelServer, Reply, running_model_server

REQUEST = ModelRequest(
    purpose="write", messages=(ChatMessage("user", "Which light is red?"),), max_tokens=400
)
GOOD = Reply(text="The light at the head is red. " * 4, pieces=20)
FAILURES = {
    "refuses connections": None,
    "answers 500": Reply(status=500),
    "answers 429, Retry-After 30": Reply(status=429, headers={"retry-after": "30"}),
    "cuts its streams": Reply(text="half an answer", cut_after=3),
    "sends no JSON": Reply(text="half an answer", garbled=True),
}
MAX_FAILED = 0.01
MAX_REQUESTS = 12  # requests to two providers that are down: those that open their breakers
MAX_TOKEN_MS = 5.0


def make_models(first: str, second: str) -> FallbackModels:
    """Make a gateway with an order of two providers, as the settings do."""
    timeouts, price = ModelTimeouts(), TokenPrice(Decimal(1), Decimal(5))
    providers = (
        HttpProvider(
            "anthropic", "m", url=first, key="k", chat_format=AnthropicFormat(), timeouts=timeouts
        ),
        HttpProvider(
            "openai", "m", url=second, key="k", chat_format=OpenAiFormat(second), timeouts=timeouts
        ),
    )
    return FallbackModels(
        [PricedProvider(each, price) for each in providers], Metrics("agents", "bench")
    )


async def measure_failover(table: Table, calls: int) -> None:
    """Let the first of two providers fail in each way, and then both."""
    table.row("first of two providers", "failed calls", "requests to it", "p50", "p99")
    async with running_model_server() as bad, running_model_server() as good:
        good.default = GOOD
        for name, reply in FAILURES.items():
            bad.default, bad.received = reply or GOOD, []
            models = make_models("http://127.0.0.1:9" if reply is None else bad.url, good.url)
            seconds, failed = await _call_often(models, calls)
            await models.close()
            p50, _, p99 = percentiles(seconds)
            table.goal(
                name,
                f"{failed} of {calls}",
                str(len(bad.received)),
                f"{p50:.1f} ms",
                f"{p99:.1f} ms",
                goal="< 1 %",
                met=failed < calls * MAX_FAILED,
            )
        await _measure_both_down(table, bad, good, calls)


async def _call_often(models: FallbackModels, calls: int) -> tuple[list[float], int]:
    seconds, failed = list[float](), 0
    for _ in range(calls):
        started = time.perf_counter()
        try:
            await models.complete(REQUEST)
        except ModelUnavailable:
            failed += 1
        seconds.append(time.perf_counter() - started)
    return seconds, failed


async def _measure_both_down(
    table: Table, first: ModelServer, second: ModelServer, calls: int
) -> None:
    first.default = second.default = Reply(status=500)
    first.received, second.received = [], []
    models, reasons = make_models(first.url, second.url), set[object]()
    for _ in range(calls):
        try:
            await models.complete(REQUEST)
        except ModelUnavailable as error:
            reasons.add(error.context["reasons"])
    await models.close()
    requests = len(first.received) + len(second.received)
    table.goal(
        "both answer 500: requests sent",
        f"{requests} for {calls} calls",
        goal=f"<= {MAX_REQUESTS}",
        met=requests <= MAX_REQUESTS,
    )
    print("  reasons given:", *sorted(map(str, reasons)), sep="\n    ")


async def measure_tokens(table: Table, tokens: int) -> None:
    """Compare when a token was sent with when it was shown; both are in this process."""
    async with running_model_server() as server:
        server.default = Reply(text="token " * tokens, pieces=tokens, delay=0.002)
        models = make_models(server.url, server.url)
        shown: list[float] = []

        async def show(_: str) -> None:
            shown.append(time.perf_counter())

        await models.complete(REQUEST, show)
        await models.close()
        delays = [
            (at - sent) * 1e3 for at, sent in zip(shown, server.sent[-len(shown) :], strict=True)
        ]
    table.goal(
        "delay of a streamed token",
        f"{statistics.median(delays):.2f} ms",
        f"max {max(delays):.2f} ms",
        goal=f"< {MAX_TOKEN_MS:g} ms",
        met=statistics.median(delays) < MAX_TOKEN_MS,
    )


async def measure(options: Namespace) -> list[str]:
    table = Table()
    await measure_failover(table, options.calls)
    await measure_tokens(table, options.tokens)
    return table.missed


def main() -> int:
    options = parse_options(
        "agents",
        __doc__,
        {"calls": (1_000, "calls of each kind"), "tokens": (200, "tokens that are streamed")},
    )
    missed = asyncio.run(measure(options))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
