"""Tests connect to Redis as a process, and may do what that process may do in production."""

from collections.abc import Callable

import pytest

from msaas.contracts import get_topic
from msaas.streams import BrokerAccessDenied, RedisBroker


@pytest.mark.parametrize("process", ["jobs", "gateway"])
async def test_a_process_may_do_in_a_test_what_the_contracts_grant_it(
    redis_url_for: Callable[[str], str], environment: str, process: str
) -> None:
    broker = RedisBroker(redis_url_for(process), command_timeout=10)
    await broker.execute_command("XLEN", get_topic("jobs.commands").key(environment, "jobs"))
    with pytest.raises(BrokerAccessDenied):
        await broker.execute_command("SET", f"msaas:{environment}:epoch", "x")
    await broker.close()
