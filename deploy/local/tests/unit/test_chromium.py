"""How a machine comes to its browser."""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from msaas.browser_worker import ChromiumNotFound
from msaas.embedded import MissingProgram
from msaas.local.chromium import InstallMethod, ensure_chromium, list_install_methods


def finds_when_present(there: Path) -> Callable[[], Path]:
    def find() -> Path:
        if not there.exists():
            raise ChromiumNotFound
        return there

    return find


def installs_to(place: Path) -> InstallMethod:
    program = f"from pathlib import Path; Path({str(place)!r}).touch()"
    return InstallMethod("hand", [[sys.executable, "-c", program]], 20)


FAILING_METHODS = [
    InstallMethod("nobody", [["/nowhere/at/all"]], 1),
    InstallMethod("sleep", [[sys.executable, "-c", "import time; time.sleep(30)"]], 0.1),
    InstallMethod("refusal", [[sys.executable, "-c", "raise SystemExit(1)"]], 20),
]


def test_what_is_there_is_taken_without_a_word(tmp_path: Path) -> None:
    said: list[str] = []
    assert ensure_chromium(said.append, find=lambda: tmp_path, methods=[]) == tmp_path
    assert said == []


def test_the_ways_are_tried_until_one_has_brought_it(tmp_path: Path) -> None:
    said: list[str] = []
    browser = tmp_path / "chromium"
    ways = [*FAILING_METHODS, installs_to(browser), InstallMethod("never tried", [], 1)]
    assert ensure_chromium(said.append, find=finds_when_present(browser), methods=ways) == browser
    assert [line.rpartition("with ")[2] for line in said] == ["nobody", "sleep", "refusal", "hand"]


def test_where_no_way_helps_a_person_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingProgram, match="apt install chromium-headless-shell"):
        ensure_chromium(
            lambda _: None, find=finds_when_present(tmp_path / "none"), methods=FAILING_METHODS[:1]
        )


def test_only_root_is_offered_the_package_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert [way.name for way in list_install_methods()] == ["Playwright's download"]
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", str)
    assert [way.name for way in list_install_methods()] == ["Playwright's download", "apt"]


def test_of_many_who_look_for_a_browser_at_once_one_gets_it(tmp_path: Path) -> None:
    said: list[str] = []
    browser = tmp_path / "chromium"

    def ensure(_: int) -> Path:
        return ensure_chromium(
            said.append, find=finds_when_present(browser), methods=[installs_to(browser)]
        )

    with ThreadPoolExecutor() as pool:
        assert set(pool.map(ensure, range(6))) == {browser}
    assert len(said) == 1
