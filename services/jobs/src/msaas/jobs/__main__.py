"""`python -m msaas.jobs serve | worker | migrate | pause | resume | retention`."""

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial

from msaas.contracts import PROCESSES, TASKS, PauseTask, ResumeTask
from msaas.kernel import MsaasError
from msaas.settings import load_settings
from msaas.web import run


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m msaas.jobs", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    kinds.add_parser("serve", help="commands, dispatch, results")
    kinds.add_parser("worker", help="generic tasks")
    kinds.add_parser("migrate", help="upgrade the schema and set passwords: once, before a release")
    for kind, summary in (("pause", "pause dispatch"), ("resume", "resume dispatch")):
        subparser = kinds.add_parser(kind, help=summary)
        subparser.add_argument("task_type", choices=sorted(TASKS))
    retention = kinds.add_parser("retention", help="old data: count what is due, or remove it")
    retention.add_argument("act", choices=("plan", "run"))
    given = parser.parse_args(arguments)
    try:
        if given.kind == "migrate":
            sys.stdout.write(f"{_migrate()}\n")
        else:
            run(_do(given))
    except MsaasError as refused:
        parser.exit(2, f"{refused}\n")


def _migrate() -> str:
    """Import Alembic only here: it would slow the start of every process."""
    from msaas.postgres.service_migrations import migrate_service

    return migrate_service(__file__, PROCESSES["jobs"].database_logins, os.environ)


async def _do(given: argparse.Namespace) -> None:
    match given.kind:
        case "serve":
            await _serve()
        case "worker":
            await _work()
        case "retention":
            await _enforce_retention(is_dry_run=given.act == "plan")
        case _:
            await _send_command(given.kind, given.task_type)


async def _enforce_retention(*, is_dry_run: bool) -> None:
    from msaas.jobs.bootstrap import SERVICE, build_retention, open_artifact_store
    from msaas.jobs.settings import RetentionSettings
    from msaas.postgres.retention_command import enforce_retention

    settings = load_settings(RetentionSettings, os.environ)
    build = partial(build_retention, files=open_artifact_store(settings))
    await enforce_retention(settings, SERVICE, build, is_dry_run=is_dry_run)


async def _send_command(kind: str, task_type: str) -> None:
    """Publish the command: any process that serves handles it."""
    from msaas.jobs.send_command import send_command
    from msaas.jobs.settings import OperatorSettings

    make = PauseTask if kind == "pause" else ResumeTask
    await send_command(load_settings(OperatorSettings, os.environ), make(task_type=task_type))


async def _serve() -> None:
    from msaas.jobs.bootstrap import serve
    from msaas.jobs.settings import Settings

    await serve(load_settings(Settings, os.environ))


async def _work() -> None:
    """Import no database driver: a worker has no database."""
    from msaas.flags import read_defaults
    from msaas.jobs.settings import WorkerSettings
    from msaas.jobs.worker import serve

    await serve(load_settings(WorkerSettings, os.environ), read_defaults(os.environ))


if __name__ == "__main__":
    main()
