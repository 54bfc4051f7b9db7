"""`python -m msaas.browser_worker serve`: the one kind of process of this image."""

import argparse
import os
from collections.abc import Sequence

from msaas.browser_worker.browser.chromium import ChromiumNotFound
from msaas.browser_worker.config import Settings
from msaas.flags import read_defaults
from msaas.settings import SettingsInvalid, load_settings
from msaas.web import run


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m msaas.browser_worker", description=__doc__)
    parser.add_argument("kind", choices=("serve",))
    parser.parse_args(arguments)
    from msaas.browser_worker.run import serve

    try:
        run(serve(load_settings(Settings, os.environ), read_defaults(os.environ)))
    except (SettingsInvalid, ChromiumNotFound) as refused:
        parser.exit(2, f"{refused}\n")


if __name__ == "__main__":
    main()
