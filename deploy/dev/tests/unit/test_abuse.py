"""The selection of attacks, what a seed repeats, and the line of a result."""

import os
from collections.abc import Callable, Iterable
from random import Random

import pytest

from msaas.cli import main
from msaas.dev.abuse import ATTACKS, Attack, AttackResult, Bound
from msaas.dev.abuse.attack_run import format_result
from msaas.dev.abuse.bodies import KINDS
from msaas.dev.abuse.command import select_attacks
from msaas.dev.abuse.measuring import Cost, measure_cost
from msaas.testing import wait_until

SIZE = 64 * 1024 * 1024


async def send_nothing(*_: object) -> list[str]:
    return []


def build_result(pid: int, *, found: Iterable[str] = (), **bound: float) -> AttackResult:
    return AttackResult(
        attack=Attack("deep brackets", "gateway", Bound(**bound), send_nothing),
        cases=2,
        cost=Cost(pid),
        slowness=1.0,
        answer_seconds=0.5,
        found=list(found),
    )


def test_attacks_are_selected_by_a_part_of_their_name() -> None:
    assert select_attacks([]) == list(ATTACKS)
    assert [attack.name for attack in select_attacks(["brackets", "TLS"])] == [
        "deep brackets",
        "TLS and other protocols",
    ]


def test_an_unknown_attack_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["abuse", "--short", "earthquake"])
    assert "available: deep brackets, " in capsys.readouterr().err


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_a_seed_repeats_what_is_sent(kind: Callable[[Random, str], Iterable[bytes]]) -> None:
    def build(seed: int) -> list[bytes]:
        return list(kind(Random(seed), "Bearer token"))  # noqa: S311  # a seed repeats a run

    assert all(build(seed) == build(seed) for seed in range(5))
    assert len({b"".join(build(seed)) for seed in range(20)}) > 1


async def test_the_cost_of_a_process_is_its_time_and_its_highest_memory() -> None:
    async with measure_cost(os.getpid()) as cost:
        held = bytearray(SIZE)
        held[::4096] = b"x" * len(held[::4096])
        await wait_until(lambda: cost.cpu_seconds > 0 and cost.megabytes >= 32)
        del held
    assert cost.megabytes >= 32


def test_a_result_within_its_bounds_is_one_line() -> None:
    result = build_result(os.getpid(), cpu_seconds=10, megabytes=64)
    assert list(result.problems) == []
    assert format_result(result).startswith("✓ deep brackets")


def test_a_result_beyond_a_bound_names_it() -> None:
    result = build_result(
        os.getpid(), found=["case 1 was answered with 500"], cpu_seconds=-1, megabytes=-1
    )
    first, *rest = format_result(result).splitlines()
    assert first.startswith("✗ deep brackets")
    assert [line.strip() for line in rest] == [
        "case 1 was answered with 500",
        "it used too much processor time",
        "it used too much memory",
    ]
