"""The contributors' commands, which `./msaas` finds through this package's entry point."""

from collections.abc import Mapping

from msaas.cli import CliCommand

COMMANDS: Mapping[str, CliCommand] = {
    "test": CliCommand(
        "msaas.dev.run_tests:run",
        "[--changed [REF]] [--coverage] [--retry-flaky] [PYTEST ARGUMENT ...]",
        "run the tests in parallel",
        "Without arguments: every test. Arguments go to pytest (paths are relative to the\n"
        "current folder). --coverage measures a whole run, and holds the floor.\n"
        "--changed runs the tests that the change since REF can reach (since main without REF).\n"
        "--retry-flaky retries up to three failed tests alone; those that pass are named.",
    ),
    "check": CliCommand(
        "msaas.dev.checks.run:run",
        "[NAME ...]",
        "run the checks: all, or those named",
        "Checks run in parallel; the output of failed ones is printed at the end.",
    ),
    "new": CliCommand(
        "msaas.dev.new:run",
        "task | endpoint | message | service NAME",
        "write the files of a new task, endpoint, message or service",
        "Writes working files from templates, adds their lines to existing files, regenerates\n"
        "what depends on them, and prints what to edit next. --topic names a message's topic.",
    ),
    "record": CliCommand(
        "msaas.dev.record:run",
        "KEY",
        "list the files of an Implementation Record from git",
        "Writes the section `Files Modified` of docs/records/*-KEY.md: what changed since the\n"
        "commit that last changed another record. Without such a file, one is begun.",
    ),
    "contracts": CliCommand(
        "msaas.dev.generate:run",
        "[--check | --diff REF]",
        "regenerate the files that come from the contracts",
        "--check writes nothing and fails where a committed file differs.\n"
        "--diff lists what would break consumers of the contracts as they were at commit\n"
        "REF, and which: exits with 1 if anything would, with 2 if there is no such commit.",
    ),
    "fuzz": CliCommand(
        "msaas.dev.fuzz:run",
        "[EXAMPLES]",
        "fuzz the gateway against its OpenAPI document",
        "Schemathesis with all checks and this many examples per operation and phase (200).\n"
        "CI runs 10, always the same ones.",
    ),
    "chaos": CliCommand(
        "msaas.dev.chaos.command:run",
        "[--short] [SCENARIO ...]",
        "inject faults into a loaded fleet of its own, then audit it",
        "--short runs each scenario once, in under four minutes; without it runs are longer,\n"
        "and processes are also paused. A word selects the scenarios whose name contains it.",
    ),
    "abuse": CliCommand(
        "msaas.dev.abuse.command:run",
        "[--short] [--seed N] [--rounds N] [ATTACK ...]",
        "attack a fleet of its own, and compare what each attack costs with a bound",
        "Hostile bodies, connections, robots.txt files and pages, generated from the seed.\n"
        "--short sends a few of each, in about 90 seconds; without it there are three rounds of\n"
        "more. A word selects the attacks whose name contains it. Exits with 1 where an attack\n"
        "costs too much, or an honest client is not served.",
    ),
    "bench": CliCommand(
        "msaas.dev.bench:run",
        "NAME [ARGUMENT ...]",
        "run a benchmark; `./msaas bench messaging` compares messaging with other libraries",
        "Runs deploy/loadtest/NAME_bench.py in an environment of its own (.msaas/bench-venv).",
    ),
    "dashboard": CliCommand(
        "msaas.dev.dashboard:run",
        "check | test | budget | e2e | screens [PLAYWRIGHT ARGUMENT ...]",
        "check the dashboard, drive it with a browser, take its pictures",
        "check lints, checks types, tests, builds, and compares the size of the scripts with\n"
        "the budget; what passed is not run again until a file changes. test is check and e2e,\n"
        "as in CI. budget accepts the present sizes. e2e and screens drive the running fleet, or\n"
        "one that they start; screens writes docs/screens.",
    ),
    "images": CliCommand(
        "msaas.dev.delivery.command:run",
        "[--write | --check | --twice] [--base IMAGE] [NAME ...]",
        "build the container images, or write the files that they are built from",
        "Prints the size of each, what it adds to its base, and the time. --write renders\n"
        "Dockerfiles, their locks, docker-compose.yaml, .env.example and deploy/k8s, as\n"
        "`./msaas contracts` does too; --check compares them. --twice builds without a cache\n"
        "and compares the layers.",
    ),
    "lock": CliCommand(
        "msaas.dev.lock:run",
        "[--upgrade]",
        "resolve the dependencies again and write the lock files",
        "Versions stay where they are unless --upgrade is given.",
    ),
}
