"""The kernel in five stories, one idea each."""

import pytest

from msaas.kernel import (
    Breaker,
    BreakerPolicy,
    CircuitOpen,
    DependencyUnavailable,
    ErrorKind,
    MsaasError,
    RetryPolicy,
    SystemClock,
    derive_id,
    new_id,
)


def test_ids_sort_by_the_time_at_which_they_were_made() -> None:
    first, second = new_id(), new_id()
    assert first < second


def test_a_fact_published_twice_has_one_id() -> None:
    subscription, version = new_id(), 4
    assert derive_id(subscription, version) == derive_id(subscription, version)


def test_an_error_is_a_fact_with_a_code_a_kind_and_what_may_be_shown() -> None:
    class PageGone(MsaasError):
        code = "page_gone"
        kind = ErrorKind.NOT_FOUND
        default_message = "The page is gone."

    error = PageGone(host="example.com")
    assert (error.safe_message, error.retryable) == ("The page is gone.", False)
    assert error.context == {"host": "example.com"}


async def test_a_call_is_repeated_while_repeating_can_help() -> None:
    answers = iter([DependencyUnavailable(target="jwks"), "keys"])

    async def fetch() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    policy = RetryPolicy(base=0.001, attempts=2)
    assert await policy.run(fetch, retry_on=(DependencyUnavailable,)) == "keys"


async def test_a_target_that_keeps_failing_is_not_called() -> None:
    breaker = Breaker("stripe", BreakerPolicy(consecutive_failures=2), SystemClock())
    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with breaker:
                raise TimeoutError
    with pytest.raises(CircuitOpen):
        async with breaker:
            pytest.fail("the circuit is open")
