"""Finds the browser, and says how it is started."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from msaas.kernel import DependencyUnavailable

ON_PATH = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# Where `playwright install` puts browsers, unless it was told otherwise.
PLAYWRIGHT_FOLDERS = (".cache/ms-playwright", "Library/Caches/ms-playwright")
_PLAYWRIGHT_NAMES = (
    *("chrome-headless-shell", "headless_shell"),
    *("chrome", "Chromium", "Google Chrome for Testing"),
)

FLAGS = (
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
NO_PICTURES = ("--disable-remote-fonts", "--blink-settings=imagesEnabled=false")


class ChromiumMissing(DependencyUnavailable):
    """No browser was found; the message names the ways to get one."""


def find_chromium(named: str | None = None, *, home: Path | None = None) -> Path:
    """Return the named browser, or Playwright's own, or one that the machine has; it does run."""
    if named:
        if not _runs(Path(named)):
            raise ChromiumMissing(
                "BROWSER_WORKER_CHROMIUM names no browser that runs. Leave it out to have one "
                "looked for."
            )
        return Path(named)
    for found in _candidates(home or Path.home()):
        if _runs(found):
            return found
    raise ChromiumMissing(
        "No Chromium was found. Install one (`playwright install chromium-headless-shell`, "
        "`apt install chromium-headless-shell`), or name yours in BROWSER_WORKER_CHROMIUM."
    )


def _candidates(home: Path) -> Iterator[Path]:
    for folder in PLAYWRIGHT_FOLDERS:
        yield from _list_playwrights_own(home / folder)
    for name in ON_PATH:
        if found := shutil.which(name):
            yield Path(found)


def _list_playwrights_own(folder: Path) -> Sequence[Path]:
    """List its browsers, the slimmer kind and the newest revision first."""
    places = sorted(folder.glob("chromium*-*"), key=_rank)
    inside = [one for place in places for name in _PLAYWRIGHT_NAMES for one in place.rglob(name)]
    return [one for one in inside if one.is_file()]


def _runs(browser: Path) -> bool:
    """One that was downloaded may lack libraries of the system's."""
    try:
        done = subprocess.run(  # noqa: S603  # a browser that the operator has or named
            [browser, "--version"], capture_output=True, timeout=20, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def _rank(place: Path) -> tuple[bool, int]:
    revision = re.search(r"-(\d+)$", place.name)
    return "headless" not in place.name, -int(revision.group(1)) if revision else 0
