"""`./msaas pause` and `./msaas resume`: keep a task type waiting, or let it go on."""

import os
import subprocess
import sys
from argparse import ArgumentParser

from msaas.dev.workspace import module_command
from msaas.embedded import LocalError
from msaas.local.running_fleet import get_redis_environment


def pause(argv: list[str]) -> int:
    return _send("pause", argv)


def resume(argv: list[str]) -> int:
    return _send("resume", argv)


def _send(kind: str, argv: list[str]) -> int:
    parser = ArgumentParser(f"msaas {kind}")
    parser.add_argument("task_type")
    task_type = parser.parse_args(argv).task_type
    try:
        settings = get_redis_environment(os.environ, "jobs")
    except LocalError as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    command = [*module_command("msaas.jobs"), kind, task_type]
    code = subprocess.run(command, env={**os.environ, **settings}, check=False).returncode
    if code == 0:
        print(f"asked to {kind} {task_type}")
    return code
