"""`./msaas pause` and `./msaas resume`: keep a task type waiting, or let it go on."""

import os
import subprocess
import sys
from argparse import ArgumentParser

from msaas.cli.house import module
from msaas.local.errors import LocalError
from msaas.local.running import get_redis_url


def pause(argv: list[str]) -> int:
    return _ask("pause", argv)


def resume(argv: list[str]) -> int:
    return _ask("resume", argv)


def _ask(kind: str, argv: list[str]) -> int:
    parser = ArgumentParser(f"msaas {kind}")
    parser.add_argument("task_type")
    task_type = parser.parse_args(argv).task_type
    try:
        settings = get_redis_url(os.environ, "jobs")
    except LocalError as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    command = [*module("msaas.jobs"), kind, task_type]
    code = subprocess.run(command, env={**os.environ, **settings}, check=False).returncode
    if code == 0:
        print(f"asked to {kind} {task_type}")
    return code
