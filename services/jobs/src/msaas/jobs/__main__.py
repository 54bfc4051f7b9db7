"""`python -m msaas.jobs serve | worker`: one image, two kinds of process."""

import argparse
import os
from collections.abc import Sequence

from msaas.settings import SettingsInvalid, load
from msaas.web import run


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m msaas.jobs", description=__doc__)
    parser.add_argument("kind", choices=("serve", "worker"))
    kind = parser.parse_args(arguments).kind
    try:
        run(_serve() if kind == "serve" else _work())
    except SettingsInvalid as invalid:
        parser.exit(2, f"{invalid}\n")


async def _serve() -> None:
    from msaas.jobs.bootstrap import serve
    from msaas.jobs.settings import Settings

    await serve(load(Settings, os.environ))


async def _work() -> None:
    """Import no database: a worker has none."""
    from msaas.jobs.settings import WorkerSettings
    from msaas.jobs.worker import serve

    await serve(load(WorkerSettings, os.environ))


if __name__ == "__main__":
    main()
