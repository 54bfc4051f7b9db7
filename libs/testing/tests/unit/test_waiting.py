"""Waiting ends with the first truthy answer, or fails with the name of the condition."""

import pytest

from msaas.testing import wait_until


async def test_the_answer_of_the_condition_is_returned() -> None:
    answers = iter([0, 0, 7])
    assert await wait_until(lambda: next(answers)) == 7


async def test_an_async_condition_is_awaited() -> None:
    answers = iter([None, "here"])

    async def condition() -> str | None:
        return next(answers)

    assert await wait_until(condition) == "here"


async def test_a_wait_that_times_out_fails_with_the_given_message() -> None:
    with pytest.raises(AssertionError, match="no job was done"):
        await wait_until(lambda: False, timeout=0, message="no job was done")


async def test_without_words_the_condition_is_named() -> None:
    def is_drained() -> bool:
        return False

    with pytest.raises(AssertionError, match="is_drained"):
        await wait_until(is_drained, timeout=0)
