"""How the launcher finds a browser, or installs one."""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from msaas.embedded import MissingProgram
from msaas.local.chromium import InstallMethod, ensure_chromium, list_install_methods


def finds_when_present(browser: Path) -> Callable[[], Path | None]:
    return lambda: browser if browser.exists() else None


def installs_to(browser: Path) -> InstallMethod:
    program = f"from pathlib import Path; Path({str(browser)!r}).touch()"
    return InstallMethod("copy", [[sys.executable, "-c", program]], 20)


FAILING_METHODS = [
    InstallMethod("missing program", [["/nowhere/at/all"]], 1),
    InstallMethod("timeout", [[sys.executable, "-c", "import time; time.sleep(30)"]], 0.1),
    InstallMethod("failure", [[sys.executable, "-c", "raise SystemExit(1)"]], 20),
]


def test_an_installed_browser_is_used_without_a_message(tmp_path: Path) -> None:
    messages: list[str] = []
    assert ensure_chromium(messages.append, find=lambda: tmp_path, methods=[]) == tmp_path
    assert messages == []


def test_methods_are_tried_until_one_installs_a_browser(tmp_path: Path) -> None:
    messages: list[str] = []
    browser = tmp_path / "chromium"
    methods = [*FAILING_METHODS, installs_to(browser), InstallMethod("never tried", [], 1)]
    found = ensure_chromium(messages.append, find=finds_when_present(browser), methods=methods)
    assert found == browser
    tried = [message.rpartition("with ")[2] for message in messages]
    assert tried == ["missing program", "timeout", "failure", "copy"]


def test_the_error_names_what_to_install_when_every_method_fails(tmp_path: Path) -> None:
    with pytest.raises(MissingProgram, match="apt install chromium-headless-shell"):
        ensure_chromium(
            lambda _: None, find=finds_when_present(tmp_path / "none"), methods=FAILING_METHODS[:1]
        )


def test_the_package_manager_is_tried_only_as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert [method.name for method in list_install_methods()] == ["Playwright's download"]
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", str)
    assert [method.name for method in list_install_methods()] == ["Playwright's download", "apt"]


def test_parallel_callers_install_one_browser(tmp_path: Path) -> None:
    messages: list[str] = []
    browser = tmp_path / "chromium"

    def ensure(_: int) -> Path:
        return ensure_chromium(
            messages.append, find=finds_when_present(browser), methods=[installs_to(browser)]
        )

    with ThreadPoolExecutor() as pool:
        assert set(pool.map(ensure, range(6))) == {browser}
    assert len(messages) == 1
