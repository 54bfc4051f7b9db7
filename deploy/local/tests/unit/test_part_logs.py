"""Logs stay bounded, and the newest lines of all parts come back in order."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from msaas.local.part_logs import PartLog, follow, list_parts, read_last_lines


def test_a_full_log_is_rotated_and_one_older_file_is_kept(tmp_path: Path) -> None:
    log = PartLog(tmp_path, "redis", max_bytes=200)
    for number in range(100):
        log.write(f"line {number}".encode())
    log.close()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 600
    newest = [line for _, line in read_last_lines(tmp_path, ["redis"], 3)]
    assert [line.split(" ", 1)[1] for line in newest] == ["line 97", "line 98", "line 99"]


def test_lines_of_several_parts_are_merged_by_time(tmp_path: Path) -> None:
    redis, postgres = PartLog(tmp_path, "redis"), PartLog(tmp_path, "postgres")
    (tmp_path / "redis.log").write_text("2026-01-01T00:00:01 a\n2026-01-01T00:00:03 c\n")
    (tmp_path / "postgres.log").write_text("2026-01-01T00:00:02 b\n2026-01-01T00:00:04 d\n")
    assert list_parts(tmp_path) == ["postgres", "redis"]
    merged = read_last_lines(tmp_path, ["postgres", "redis"], 3)
    assert [(name, line[-1]) for name, line in merged] == [
        ("postgres", "b"),
        ("redis", "c"),
        ("postgres", "d"),
    ]
    redis.close()
    postgres.close()


def test_following_yields_whole_new_lines_only(tmp_path: Path) -> None:
    path = tmp_path / "redis.log"
    path.write_text("old\n")
    lines = follow(tmp_path, ["redis", "silent"], pause=0)
    with path.open("a") as file:
        file.write("new\nhal")
    assert next(lines) == ("redis", "new")
    with path.open("a") as file:
        file.write("f\n")
    assert next(lines) == ("redis", "half")


def test_following_continues_after_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "redis.log"
    path.write_text("a long old line\n")
    lines = follow(tmp_path, ["redis"], pause=0)
    path.write_text("new\n")
    assert next(lines) == ("redis", "new")


@given(st.integers(min_value=0, max_value=30), st.integers(min_value=0, max_value=40))
def test_at_most_the_requested_lines_are_returned(written: int, requested: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = PartLog(Path(folder), "part")
        for number in range(written):
            log.write(str(number).encode())
        log.close()
        assert len(read_last_lines(Path(folder), ["part"], requested)) == min(written, requested)
