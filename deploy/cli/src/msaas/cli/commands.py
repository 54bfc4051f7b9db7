"""The operator's commands, and the table that other installed packages add theirs to."""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from typing import cast

ENTRY_POINT_GROUP = "msaas.commands"


@dataclass(frozen=True)
class CliCommand:
    """One command of `./msaas`; the target is imported only when the command is run."""

    target: str
    arguments: str
    summary: str
    details: str = ""

    def run(self, argv: list[str]) -> int:
        module, function = self.target.split(":")
        call = cast("Callable[[list[str]], int]", getattr(import_module(module), function))
        return call(argv)


COMMANDS: Mapping[str, CliCommand] = {
    "up": CliCommand(
        "msaas.local.commands:up",
        "[--detach] [--servers]",
        "start everything with seed data, in the foreground",
        "--detach returns when everything is ready; --servers starts Postgres and Redis only.",
    ),
    "demo": CliCommand(
        "msaas.cli.demo:run",
        "[URL | agent [QUESTION]]",
        "sign in, submit a job, watch it live, read the result",
        "Needs a running fleet. Without a URL the job reads a page of the demo site; `agent` asks"
        " a question about that site and verifies the answer's citations.",
    ),
    "status": CliCommand(
        "msaas.local.commands:status",
        "[--json]",
        "list what is running and where",
        "Exits with 1 when a part is down. --json includes passwords.",
    ),
    "logs": CliCommand(
        "msaas.local.commands:logs",
        "[PART] [-f] [-n LINES]",
        "show the logs of the running parts",
        "-f keeps printing new lines.",
    ),
    "down": CliCommand(
        "msaas.local.commands:down",
        "[--wipe]",
        "stop what `up` started",
        "--wipe also removes the data.",
    ),
    "migrate": CliCommand(
        "msaas.local.migrate:run",
        "[--services FOLDER]",
        "upgrade every service's schema to its latest revision",
        "Uses DATABASE_URL, else the Postgres that `up` runs. The migrations are those of the\n"
        "checkout, or of the folder of services that is named. A login gets a password where its\n"
        "variable is set: SVC_GATEWAY_PASSWORD, SVC_GATEWAY_READ_PASSWORD, SVC_JOBS_PASSWORD.",
    ),
    "seed": CliCommand(
        "msaas.local.seed:run", "", "create a demo user with a few jobs, and an operator"
    ),
    "rotate": CliCommand(
        "msaas.cli.rotate:run",
        "",
        "rotate the key that seals the secrets of new jobs",
        "Waiting jobs keep their key: the two previous keys still open.\n"
        "The new key is in use after `down` and `up`.",
    ),
    "pause": CliCommand(
        "msaas.cli.pauses:pause",
        "TASK_TYPE",
        "pause dispatch of a task type; running jobs continue",
        "Uses REDIS_URL as the user `jobs`, with ENVIRONMENT; else the fleet that `up` runs.",
    ),
    "resume": CliCommand("msaas.cli.pauses:resume", "TASK_TYPE", "resume dispatch of a task type"),
    "dlq": CliCommand(
        "msaas.cli.dead_letters:run",
        "list | show ID | replay ID ... | resolve ID ... --reason TEXT",
        "list, replay and resolve dead letters: undeliverable messages and failed jobs",
        "Runs as the operator of the running fleet. `list`, `replay --all` and `resolve --all`\n"
        "take --class and --topic. Replays that must wait are done automatically later.",
    ),
    "audit": CliCommand(
        "msaas.cli.audit.command:run",
        "",
        "verify that counters, usage events, hash chains and jobs agree; read-only",
        "Uses DATABASE_URL, else the Postgres that `up` runs; read-only, one snapshot.\n"
        "Exits with 1 on a violation, with 2 when the database cannot be read.",
    ),
    "retention": CliCommand(
        "msaas.cli.retention:run",
        "plan | run [--owner OWNER]",
        "count the data that is no longer kept, or remove it now",
        "The services remove it by themselves, within hours; `plan` changes nothing.\n"
        "With DATABASE_URL, the login of one owner (svc_jobs, svc_gateway), name the owner.\n"
        "Files are removed where ARTIFACTS_URL names their store, as in the services.",
    ),
    "billing": CliCommand(
        "msaas.cli.billing:run",
        "setup --webhook-url URL [--dry-run] [--secret-file FILE] | reconcile | explain INVOICE",
        "set up the catalogue at Stripe, compare usage with it, explain an invoice",
        "setup makes or verifies meter, prices, portal and webhook endpoint: it prints a diff and\n"
        "changes no price; with --dry-run it changes nothing at all. reconcile compares every\n"
        "customer and exits with 1 for discrepancies. explain names the usage behind each line.\n"
        "Uses DATABASE_URL (the login svc_billing) and STRIPE_API_KEY, else what `up` runs.",
    ),
    "metrics": CliCommand(
        "msaas.cli.metrics:run",
        "PART [NAME ...]",
        "show the metrics of a running part",
        "PART is jobs, jobs-worker or browser-worker; NAME is a prefix of a metric's name.",
    ),
    "help": CliCommand(
        "msaas.cli.commands:show_help", "[COMMAND]", "list the commands, or explain one"
    ),
}

# What an unknown command may be, so that the answer can name the package that has it.
PACKAGES: Mapping[str, str] = dict.fromkeys(
    (
        *("test", "check", "dashboard", "contracts", "fuzz", "chaos", "abuse", "bench", "lock"),
        *("new", "record"),
    ),
    "msaas-dev",
)


def find_commands() -> dict[str, CliCommand]:
    """Return the operator's commands and those of every package that is installed beside them."""
    found = dict(COMMANDS)
    for entry_point in sorted(entry_points(group=ENTRY_POINT_GROUP)):
        found |= cast("Mapping[str, CliCommand]", entry_point.load())
    return found


def show_help(argv: list[str]) -> int:
    commands = find_commands()
    if not argv:
        lines = [f"  {name:<10} {command.summary}" for name, command in commands.items()]
        print("usage: ./msaas COMMAND [ARGUMENT ...]\n", *lines, sep="\n")
        return 0
    name = argv[0]
    if name not in commands:
        return report_unknown_command(name, commands)
    command = commands[name]
    print(f"usage: ./msaas {name} {command.arguments}".rstrip(), command.summary, sep="\n\n")
    if command.details:
        print(command.details)
    return 0


def report_unknown_command(name: str, commands: Iterable[str]) -> int:
    if package := PACKAGES.get(name):
        print(f"msaas: {name!r} needs the package {package}", file=sys.stderr)
        return 2
    return report_unknown_name(name, commands, "command")


def report_unknown_name(name: str, known: Iterable[str], kind: str) -> int:
    """Suggest the nearest known name, or list them all."""
    names = list(known)
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"
    print(f"msaas: no {kind} {name!r}; {hint}", file=sys.stderr)
    return 2


def main(argv: list[str]) -> int:
    name, *rest = argv or ["help"]
    if name in {"-h", "--help"}:
        name = "help"
    commands = COMMANDS if name in COMMANDS else find_commands()
    if name not in commands:
        return report_unknown_command(name, commands)
    if rest[:1] in (["-h"], ["--help"]) and name != "test":
        return show_help([name])
    return commands[name].run(rest)
