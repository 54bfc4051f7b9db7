"""`python -m msaas.local.demo_site --port 8010`: serves the demo site until a signal."""

import argparse
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from msaas.embedded.ports import LOOPBACK
from msaas.local.demo_site.server import DemoSite


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m msaas.local.demo_site", description=__doc__)
    parser.add_argument("--port", type=int, default=8010)
    parser.add_argument("--host", default=LOOPBACK)
    chosen = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    try:
        site = DemoSite(chosen.host, chosen.port)
    except OSError as error:
        parser.exit(1, f"cannot listen on {chosen.host}:{chosen.port}: {error.strerror}\n")
    print(f"the demo site is at {site.url}", flush=True)
    with site.server:
        site.server.serve_forever()


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
