"""How a machine comes to its browser."""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from msaas.browser_worker import ChromiumMissing
from msaas.local import MissingPart
from msaas.local.chromium import Way, ensure_chromium, list_ways


def found_when(there: Path) -> Callable[[], Path]:
    def find() -> Path:
        if not there.exists():
            raise ChromiumMissing
        return there

    return find


def makes(place: Path) -> Way:
    program = f"from pathlib import Path; Path({str(place)!r}).touch()"
    return Way("hand", [[sys.executable, "-c", program]], 20)


FAILS = [
    Way("nobody", [["/nowhere/at/all"]], 1),
    Way("sleep", [[sys.executable, "-c", "import time; time.sleep(30)"]], 0.1),
    Way("refusal", [[sys.executable, "-c", "raise SystemExit(1)"]], 20),
]


def test_what_is_there_is_taken_without_a_word(tmp_path: Path) -> None:
    said: list[str] = []
    assert ensure_chromium(said.append, find=lambda: tmp_path, ways=[]) == tmp_path
    assert said == []


def test_the_ways_are_tried_until_one_has_brought_it(tmp_path: Path) -> None:
    said: list[str] = []
    browser = tmp_path / "chromium"
    ways = [*FAILS, makes(browser), Way("never tried", [], 1)]
    assert ensure_chromium(said.append, find=found_when(browser), ways=ways) == browser
    assert [line.rpartition("by ")[2] for line in said] == ["nobody", "sleep", "refusal", "hand"]


def test_where_no_way_helps_a_person_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingPart, match="apt install chromium-headless-shell"):
        ensure_chromium(lambda _: None, find=found_when(tmp_path / "none"), ways=FAILS[:1])


def test_only_root_is_offered_the_package_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert [way.name for way in list_ways()] == ["Playwright's download"]
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", str)
    assert [way.name for way in list_ways()] == ["Playwright's download", "apt"]


def test_of_many_who_look_for_a_browser_at_once_one_gets_it(tmp_path: Path) -> None:
    said: list[str] = []
    browser = tmp_path / "chromium"

    def ensure(_: int) -> Path:
        return ensure_chromium(said.append, find=found_when(browser), ways=[makes(browser)])

    with ThreadPoolExecutor() as pool:
        assert set(pool.map(ensure, range(6))) == {browser}
    assert len(said) == 1
