"""Serves the hostile pages at several addresses, each with a robots.txt of its own.

It prints the addresses and serves until its standard input ends.
"""

import sys
from contextlib import ExitStack

from hostile_site.server import HostileSite


def main(first_seed: str, count: str) -> None:
    with ExitStack() as stack:
        for seed in range(int(first_seed), int(first_seed) + int(count)):
            site = stack.enter_context(HostileSite.with_robots(seed))
            sys.stdout.write(f"{site.url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
