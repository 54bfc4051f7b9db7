"""One call of one method crashes; all other calls pass through."""

import subprocess
import sys

import pytest

from msaas.testing import Crash, with_crash, with_process_exit


class Ledger:
    def __init__(self) -> None:
        self.rows: list[str] = []

    async def write(self, row: str) -> int:
        self.rows.append(row)
        return len(self.rows)

    def count(self) -> int:
        return len(self.rows)


async def test_a_crash_before_the_call_leaves_no_effect() -> None:
    ledger = Ledger()
    with pytest.raises(Crash):
        await with_crash(ledger, "write").write("a")
    assert ledger.rows == []


async def test_a_crash_after_the_call_leaves_its_effect() -> None:
    ledger = Ledger()
    with pytest.raises(Crash):
        await with_crash(ledger, "write", "after").write("a")
    assert ledger.rows == ["a"]


async def test_only_the_chosen_call_crashes() -> None:
    ledger = with_crash(Ledger(), "write", on_call=2)
    assert await ledger.write("a") == 1
    with pytest.raises(Crash):
        await ledger.write("b")
    assert await ledger.write("c") == 2
    assert ledger.count() == 2


def test_plain_methods_crash_too() -> None:
    with pytest.raises(Crash):
        with_crash(Ledger(), "count").count()


def test_no_handler_for_exceptions_survives_a_crash() -> None:
    assert not issubclass(Crash, Exception)


def test_a_method_that_does_not_exist_is_refused_at_once() -> None:
    with pytest.raises(AttributeError):
        with_crash(Ledger(), "wirte")


def test_a_process_ends_without_cleaning_up() -> None:
    program = (
        "from msaas.testing import with_process_exit\n"
        "try:\n    with_process_exit([], 'append', 'before').append(1)\n"
        "finally:\n    print('cleaned up')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (137, b"")


def test_an_unarmed_method_does_not_end_the_process() -> None:
    assert with_process_exit(Ledger(), "write").count() == 0
