"""`python -m msaas.browser_worker serve | find-chromium`: the worker, and the browser it uses."""

import argparse
import os
import sys
from collections.abc import Sequence

from msaas.browser_worker.browser.chromium import ChromiumNotFound, find_chromium
from msaas.browser_worker.config import Settings
from msaas.flags import read_defaults
from msaas.settings import SettingsInvalid, load_settings
from msaas.web import run


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m msaas.browser_worker", description=__doc__)
    parser.add_argument("kind", choices=("serve", "find-chromium"))
    chosen = parser.parse_args(arguments)
    try:
        if chosen.kind == "find-chromium":
            browser = find_chromium(os.environ.get("BROWSER_WORKER_CHROMIUM"))
            sys.stdout.write(f"{browser}\n")
        else:
            _serve()
    except (SettingsInvalid, ChromiumNotFound) as refused:
        parser.exit(2, f"{refused}\n")


def _serve() -> None:
    from msaas.browser_worker.run import serve

    run(serve(load_settings(Settings, os.environ), read_defaults(os.environ)))


if __name__ == "__main__":
    main()
