"""Terminal output: masked passwords, and colour only on a terminal."""

import io

import pytest

from msaas.local.console import Console, mask_password


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:secret@127.0.0.1:1/0", "redis://:***@127.0.0.1:1/0"),
        ("postgresql://me:s%40@host/db?a=1", "postgresql://me:***@host/db?a=1"),
        ("redis://127.0.0.1:1/0", "redis://127.0.0.1:1/0"),
        (None, ""),
    ],
)
def test_passwords_are_masked(url: str | None, shown: str) -> None:
    assert mask_password(url) == shown


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_are_prefixed_and_coloured_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = _Terminal()
    console = Console(terminal)
    console.print_log_line("redis", "ready")
    console.print_log_line("postgres", "ready")
    console.print_log_line("redis", "again")
    redis, postgres, again = terminal.getvalue().splitlines()
    assert redis.startswith("\x1b[36mredis")
    assert postgres.startswith("\x1b[35mpostgres")
    assert again.startswith("\x1b[36mredis")


def test_other_output_has_no_colour() -> None:
    pipe = io.StringIO()
    Console(pipe).print_step("up")
    Console(pipe).print_log_line("redis", "ready")
    assert pipe.getvalue() == "✓ up\nredis         | ready\n"


def test_a_closed_pipe_is_ignored() -> None:
    class Closed(io.StringIO):
        def write(self, s: str) -> int:
            raise BrokenPipeError

    console = Console(Closed())
    console.print("unread")
    console.print("nor this")
    assert isinstance(console, Console)
