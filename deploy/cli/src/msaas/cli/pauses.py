"""`./msaas pause` and `./msaas resume`: stop and restart dispatch of a task type."""

import os
import subprocess
from argparse import ArgumentParser

from msaas.local.errors import report_errors
from msaas.local.programs import module_command
from msaas.local.running_fleet import get_redis_environment


@report_errors
def pause(argv: list[str]) -> int:
    return _send("pause", argv)


@report_errors
def resume(argv: list[str]) -> int:
    return _send("resume", argv)


def _send(kind: str, argv: list[str]) -> int:
    parser = ArgumentParser(f"msaas {kind}")
    parser.add_argument("task_type")
    task_type = parser.parse_args(argv).task_type
    command = [*module_command("jobs"), kind, task_type]
    settings = get_redis_environment(os.environ, "jobs")
    code = subprocess.run(command, env={**os.environ, **settings}, check=False).returncode
    if code == 0:
        print(f"requested: {kind} {task_type}")
    return code
