"""The table of verbs: what `./msaas help` prints and what each verb calls."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import cast


@dataclass(frozen=True)
class CliCommand:
    """One word after `./msaas`; the target is imported only when the word is said."""

    target: str
    arguments: str
    summary: str
    details: str = ""

    def run(self, argv: list[str]) -> int:
        module, function = self.target.split(":")
        call = cast("Callable[[list[str]], int]", getattr(import_module(module), function))
        return call(argv)


COMMANDS: dict[str, CliCommand] = {
    "test": CliCommand(
        "msaas.dev.run_tests:run",
        "[PYTEST ARGUMENT ...]",
        "run the tests in parallel",
        "Without arguments: every test, with coverage and its floor. Arguments go to pytest\n"
        "(paths are taken from the current folder) and switch the coverage floor off. Up to three\n"
        "that fail in a whole run are tried once more, alone; those that pass are named as flaky.",
    ),
    "check": CliCommand(
        "msaas.dev.checks.run:run",
        "[NAME ...]",
        "run the checks: all, or those named",
        "Checks run in parallel; the output of failed ones is printed at the end.",
    ),
    "up": CliCommand(
        "msaas.local.commands:up",
        "[--detach] [--servers]",
        "start everything with seed data, in the foreground",
        "--detach returns when all is ready; --servers starts Postgres and Redis only.",
    ),
    "demo": CliCommand(
        "msaas.cli.demo:run",
        "[URL]",
        "sign in, submit a job, watch it live, read the result",
        "Needs a running fleet. Without a URL the job reads a page of the demo site.",
    ),
    "migrate": CliCommand(
        "msaas.cli.migrate:run",
        "",
        "bring every service's schema to its head",
        "On DATABASE_URL, else on the Postgres that `up` runs. A login gets a password where\n"
        "its variable is set: SVC_GATEWAY_PASSWORD, SVC_GATEWAY_READ_PASSWORD, SVC_JOBS_PASSWORD.",
    ),
    "seed": CliCommand(
        "msaas.cli.seed:run", "", "a demo user with a few jobs, and an operator; safe to repeat"
    ),
    "rotate": CliCommand(
        "msaas.cli.rotate:run",
        "",
        "rotate the key that seals the secrets of new jobs",
        "Jobs that wait keep theirs: the two keys before it still open.\n"
        "The new one is in use after `down` and `up`.",
    ),
    "down": CliCommand(
        "msaas.local.commands:down",
        "[--wipe]",
        "stop what `up` started",
        "--wipe also removes the data.",
    ),
    "status": CliCommand("msaas.local.commands:status", "", "what is running, where, since when"),
    "logs": CliCommand(
        "msaas.local.commands:logs", "[PART ...]", "show the logs of the running parts"
    ),
    "pause": CliCommand(
        "msaas.cli.pauses:pause",
        "TASK_TYPE",
        "pause dispatch of a task type; what runs goes on",
        "On REDIS_URL as the user `jobs`, with ENVIRONMENT; else on the fleet that `up` runs.",
    ),
    "resume": CliCommand("msaas.cli.pauses:resume", "TASK_TYPE", "resume dispatch"),
    "contracts": CliCommand(
        "msaas.dev.generate:run",
        "[--check | --diff REF]",
        "write again all that is generated from the contracts",
        "--check writes nothing and fails where a committed file differs.\n"
        "--diff lists what would break consumers of the contracts as they were at commit\n"
        "REF, and which: exits with 1 if anything would, with 2 if there is no such commit.",
    ),
    "fuzz": CliCommand(
        "msaas.dev.fuzz:run",
        "[EXAMPLES]",
        "fuzz the gateway against its OpenAPI document",
        "Schemathesis with all checks, so many examples an operation and phase (200).\n"
        "CI tries 10, always the same ones.",
    ),
    "audit": CliCommand(
        "msaas.cli.audit.command:run",
        "",
        "verify that counters, usage events, hash chains and jobs agree; read-only",
        "On DATABASE_URL, else on the Postgres that `up` runs; read-only, one snapshot.\n"
        "Exits with 1 on a violation, with 2 when the database cannot be read.",
    ),
    "chaos": CliCommand(
        "msaas.dev.chaos.command:run",
        "[--short] [SCENARIO ...]",
        "inject faults into a loaded fleet of its own, then audit it",
        "--short does each scenario once, in under four minutes; without it runs are longer,\n"
        "and processes are also paused. A word selects the scenarios whose name contains it.",
    ),
    "bench": CliCommand(
        "msaas.dev.bench:run",
        "NAME [ARGUMENT ...]",
        "run a benchmark; `./msaas bench messaging` compares messaging with other libraries",
        "Runs deploy/loadtest/NAME_bench.py in an environment of its own (.msaas/bench-venv).",
    ),
    "dlq": CliCommand(
        "msaas.cli.dead_letters:run",
        "list | show ID | replay ID ... | resolve ID ... --reason WORDS",
        "dead letters: messages that could not be handled and failed jobs",
        "As the operator of the running fleet. `list`, `replay --all` and `resolve --all` take\n"
        "--class and --topic. Replays that have to wait are done automatically later.",
    ),
    "metrics": CliCommand(
        "msaas.cli.metrics:run",
        "PART [NAME ...]",
        "what a running part counts",
        "PART is jobs, jobs-worker or browser-worker; NAME is how a metric's name begins.",
    ),
    "lock": CliCommand(
        "msaas.dev.lock:run",
        "[--upgrade]",
        "resolve the dependencies again and write the lock files",
        "Versions stay where they are unless --upgrade is given.",
    ),
    "help": CliCommand(
        "msaas.cli.commands:show_help", "[COMMAND]", "this list, or more about one command"
    ),
}


def show_help(argv: list[str]) -> int:
    if not argv:
        lines = [f"  {name:<10} {verb.summary}" for name, verb in COMMANDS.items()]
        print("usage: ./msaas COMMAND [ARGUMENT ...]\n", *lines, sep="\n")
        return 0
    name = argv[0]
    if name not in COMMANDS:
        return report_unknown_name(name, COMMANDS, "command")
    verb = COMMANDS[name]
    print(f"usage: ./msaas {name} {verb.arguments}".rstrip(), verb.summary, sep="\n\n")
    if verb.details:
        print(verb.details)
    return 0


def report_unknown_name(name: str, known: Iterable[str], kind: str) -> int:
    """Answer a word that is not known with the nearest one that is."""
    words = list(known)
    near = get_close_matches(name, words, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(words)}"
    print(f"msaas: no {kind} {name!r}; {hint}", file=sys.stderr)
    return 2


def main(argv: list[str]) -> int:
    name, *rest = argv or ["help"]
    if name in {"-h", "--help"}:
        name = "help"
    if name not in COMMANDS:
        return report_unknown_name(name, COMMANDS, "command")
    if rest[:1] in (["-h"], ["--help"]) and name != "test":
        return show_help([name])
    return COMMANDS[name].run(rest)
