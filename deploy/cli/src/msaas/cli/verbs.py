"""The table of verbs: what `./msaas help` prints and what each verb calls."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import cast


@dataclass(frozen=True)
class Verb:
    """One word after `./msaas`; the target is imported only when the word is said."""

    target: str
    arguments: str
    summary: str
    more: str = ""

    def run(self, argv: list[str]) -> int:
        module, function = self.target.split(":")
        call = cast("Callable[[list[str]], int]", getattr(import_module(module), function))
        return call(argv)


VERBS: dict[str, Verb] = {
    "test": Verb(
        "msaas.cli.run_tests:run",
        "[PYTEST ARGUMENT ...]",
        "run the tests in parallel",
        "Without arguments: every test, with coverage and its floor. Arguments go to pytest\n"
        "(paths are taken from the current folder) and switch the coverage floor off. Up to three\n"
        "that fail in a whole run are tried once more, alone; those that pass are named as flaky.",
    ),
    "check": Verb(
        "msaas.cli.checks.run:run",
        "[NAME ...]",
        "hold the house style: all checks, or those named",
        "Checks run side by side; what a failing one has to say follows at the end.",
    ),
    "up": Verb(
        "msaas.local.verbs:up",
        "[--detach] [--servers]",
        "start everything, seeded, and stay in front of it",
        "--detach comes back when all is ready; --servers starts Postgres and Redis only.",
    ),
    "demo": Verb(
        "msaas.cli.demo:run",
        "[URL]",
        "sign in, submit a job, watch it live, read the result",
        "Needs a running fleet. Without a URL the job reads a page of the demo site.",
    ),
    "migrate": Verb(
        "msaas.cli.migrate:run",
        "",
        "bring every service's schema to its head",
        "On DATABASE_URL, else on the Postgres that `up` runs. A login gets a password where\n"
        "its variable is set: SVC_GATEWAY_PASSWORD, SVC_GATEWAY_READ_PASSWORD, SVC_JOBS_PASSWORD.",
    ),
    "seed": Verb(
        "msaas.cli.seed:run", "", "a demo user with a few jobs, and an operator; safe to repeat"
    ),
    "rotate": Verb(
        "msaas.cli.rotate:run",
        "",
        "give the secrets of new jobs another sealing key",
        "Jobs that wait keep theirs: the two keys before it still open.\n"
        "The new one is in use after `down` and `up`.",
    ),
    "down": Verb(
        "msaas.local.verbs:down",
        "[--wipe]",
        "stop what `up` started",
        "--wipe also removes the data.",
    ),
    "status": Verb("msaas.local.verbs:status", "", "what is running, where, since when"),
    "logs": Verb("msaas.local.verbs:logs", "[PART ...]", "what the running parts have said"),
    "pause": Verb(
        "msaas.cli.pauses:pause",
        "TASK_TYPE",
        "hand out no more jobs of a task type; what runs goes on",
        "On REDIS_URL as the user `jobs`, with ENVIRONMENT; else on the fleet that `up` runs.",
    ),
    "resume": Verb("msaas.cli.pauses:resume", "TASK_TYPE", "hand them out again"),
    "contracts": Verb(
        "msaas.cli.generate:run",
        "[--check | --diff REF]",
        "write again all that is generated from the contracts",
        "--check writes nothing and fails where a committed file differs.\n"
        "--diff tells what would break those who rely on the contracts as they were at the commit\n"
        "REF, and whom: ends with 1 where anything would, with 2 where there is no such commit.",
    ),
    "fuzz": Verb(
        "msaas.cli.fuzz:run",
        "[EXAMPLES]",
        "try the gateway against its document, with random requests",
        "Schemathesis with all checks, so many examples an operation and phase (200).\n"
        "CI tries 10, always the same ones.",
    ),
    "audit": Verb(
        "msaas.cli.audit.verb:run",
        "",
        "prove that counters, events, chains and jobs agree; heals nothing",
        "On DATABASE_URL, else on the Postgres that `up` runs; read-only, one snapshot.\n"
        "Ends with 1 where something does not agree, with 2 where it could not look.",
    ),
    "chaos": Verb(
        "msaas.cli.chaos.verb:run",
        "[--short] [SCENARIO ...]",
        "take a loaded fleet of its own apart, and audit what is left",
        "--short does each scenario once, in under four minutes; without it rounds are longer,\n"
        "and processes are also paused. A word chooses the scenarios whose name holds it.",
    ),
    "bench": Verb(
        "msaas.cli.bench:run",
        "NAME [ARGUMENT ...]",
        "measure; `./msaas bench messaging` compares the wire with its rivals",
        "Runs deploy/loadtest/NAME_bench.py in an environment of its own (.msaas/bench-venv).",
    ),
    "dlq": Verb(
        "msaas.cli.dlq:run",
        "list | show ID | replay ID ... | resolve ID ... --reason WORDS",
        "dead letters: messages that died and jobs that failed",
        "As the operator of the running fleet. `list`, `replay --all` and `resolve --all` take\n"
        "--class and --topic. Replays that have to wait follow by themselves.",
    ),
    "metrics": Verb(
        "msaas.cli.metrics:run",
        "PART [NAME ...]",
        "what a running part counts",
        "PART is jobs, jobs-worker or browser-worker; NAME is how a metric's name begins.",
    ),
    "lock": Verb(
        "msaas.cli.lock:run",
        "[--upgrade]",
        "resolve the dependencies again and write the lock files",
        "Versions stay where they are unless --upgrade is given.",
    ),
    "help": Verb("msaas.cli.verbs:show_help", "[VERB]", "this list, or more about one verb"),
}


def show_help(argv: list[str]) -> int:
    if not argv:
        lines = [f"  {name:<10} {verb.summary}" for name, verb in VERBS.items()]
        print("usage: ./msaas VERB [ARGUMENT ...]\n", *lines, sep="\n")
        return 0
    name = argv[0]
    if name not in VERBS:
        return refuse(name, VERBS, "verb")
    verb = VERBS[name]
    print(f"usage: ./msaas {name} {verb.arguments}".rstrip(), verb.summary, sep="\n\n")
    if verb.more:
        print(verb.more)
    return 0


def refuse(word: str, known: Iterable[str], kind: str) -> int:
    """Answer a word that is not known with the nearest one that is."""
    words = list(known)
    near = get_close_matches(word, words, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(words)}"
    print(f"msaas: no {kind} {word!r}; {hint}", file=sys.stderr)
    return 2


def main(argv: list[str]) -> int:
    name, *rest = argv or ["help"]
    if name in {"-h", "--help"}:
        name = "help"
    if name not in VERBS:
        return refuse(name, VERBS, "verb")
    if rest[:1] in (["-h"], ["--help"]) and name != "test":
        return show_help([name])
    return VERBS[name].run(rest)
