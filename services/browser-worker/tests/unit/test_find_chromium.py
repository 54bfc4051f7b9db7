"""Where the browser is searched for, and in which order."""

from collections.abc import Callable
from pathlib import Path

import pytest

from msaas.browser_worker import ChromiumNotFound, find_chromium

InstallBrowser = Callable[..., Path]


@pytest.fixture
def install_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InstallBrowser:
    """Return a function that creates a program on an otherwise empty machine."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    def put(path: str, code: int = 0) -> Path:
        program = tmp_path / path
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\nexit {code}\n")
        program.chmod(0o755)
        return program

    return put


OWN = ".cache/ms-playwright/chromium_headless_shell-{}/linux/chrome-headless-shell"


def test_the_configured_browser_comes_first(
    install_browser: InstallBrowser, tmp_path: Path
) -> None:
    named = install_browser("mine")
    install_browser(OWN.format(1200))
    assert find_chromium(str(named), home=tmp_path) == named


def test_playwrights_newest_browser_comes_before_those_on_path(
    install_browser: InstallBrowser, tmp_path: Path
) -> None:
    full = install_browser("bin/chromium")
    assert find_chromium(home=tmp_path) == full
    shell = install_browser("bin/chromium-headless-shell")
    assert find_chromium(home=tmp_path) == shell
    whole = install_browser(".cache/ms-playwright/chromium-1300/linux/chrome")
    assert find_chromium(home=tmp_path) == whole
    install_browser(OWN.format(999))
    newest = install_browser(OWN.format(1200))
    assert find_chromium(home=tmp_path) == newest


def test_a_browser_that_does_not_run_is_skipped(
    install_browser: InstallBrowser, tmp_path: Path
) -> None:
    install_browser(OWN.format(1200), code=127)
    shell = install_browser("bin/chromium-headless-shell")
    assert find_chromium(home=tmp_path) == shell


def test_without_a_browser_the_error_names_ways_to_install_one(
    install_browser: InstallBrowser, tmp_path: Path
) -> None:
    install_browser("bin/unrelated")
    with pytest.raises(ChromiumNotFound, match="playwright install"):
        find_chromium(home=tmp_path)
    with pytest.raises(ChromiumNotFound, match="BROWSER_WORKER_CHROMIUM names"):
        find_chromium(str(install_browser("broken", code=1)), home=tmp_path)
