"""Finds the browser and lists its command-line flags."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from msaas.kernel import DependencyUnavailable

EXECUTABLE_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# The default folders of `playwright install`.
PLAYWRIGHT_FOLDERS = (".cache/ms-playwright", "Library/Caches/ms-playwright")
_PLAYWRIGHT_EXECUTABLES = (
    *("chrome-headless-shell", "headless_shell"),
    *("chrome", "Chromium", "Google Chrome for Testing"),
)

CHROMIUM_FLAGS = (
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Nothing but TCP, and that through the proxy: what bypasses it is switched off.
    "--disable-quic",
    "--dns-prefetch-disable",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--autoplay-policy=user-gesture-required",
)
# Text needs no pictures; switched off in the engine, which costs no round trip a request.
NO_IMAGES_FLAGS = ("--disable-remote-fonts", "--blink-settings=imagesEnabled=false")


class ChromiumNotFound(DependencyUnavailable):
    """No browser was found; the message names the ways to get one."""


def find_chromium(configured: str | None = None, *, home: Path | None = None) -> Path:
    """Return the configured browser, Playwright's own, or one on PATH; it is known to run."""
    if configured:
        if not _is_runnable(Path(configured)):
            raise ChromiumNotFound(
                "BROWSER_WORKER_CHROMIUM names no browser that runs. Leave it out to have one "
                "looked for."
            )
        return Path(configured)
    for found in _candidates(home or Path.home()):
        if _is_runnable(found):
            return found
    raise ChromiumNotFound(
        "No Chromium was found. Install one (`playwright install chromium-headless-shell`, "
        "`apt install chromium-headless-shell`), or name yours in BROWSER_WORKER_CHROMIUM."
    )


def _candidates(home: Path) -> Iterator[Path]:
    for folder in PLAYWRIGHT_FOLDERS:
        yield from _list_playwright_browsers(home / folder)
    for name in EXECUTABLE_NAMES:
        if found := shutil.which(name):
            yield Path(found)


def _list_playwright_browsers(folder: Path) -> Sequence[Path]:
    """List its browsers, headless shells and the newest revision first."""
    folders = sorted(folder.glob("chromium*-*"), key=_rank)
    candidates = [
        path for found in folders for name in _PLAYWRIGHT_EXECUTABLES for path in found.rglob(name)
    ]
    return [path for path in candidates if path.is_file()]


def _is_runnable(browser: Path) -> bool:
    """Return whether it starts: a downloaded browser may lack system libraries."""
    try:
        completed = subprocess.run(  # noqa: S603  # a browser that the operator has or named
            [browser, "--version"], capture_output=True, timeout=20, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return completed.returncode == 0


def _rank(folder: Path) -> tuple[bool, int]:
    revision = re.search(r"-(\d+)$", folder.name)
    return "headless" not in folder.name, -int(revision.group(1)) if revision else 0
