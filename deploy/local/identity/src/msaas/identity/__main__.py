"""`python -m msaas.identity serve | rotate-keys | seed-user`: the auth server and two commands."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

from msaas.contracts import Plan
from msaas.identity.bootstrap import configure_command_logging, rotate_keys, seed_user, serve
from msaas.identity.settings import Settings
from msaas.kernel import MsaasError
from msaas.settings import load_settings
from msaas.web import run

ROLES = ("user", "operator")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        options.action(load_settings(Settings, os.environ), options)
    except MsaasError as error:
        parser.exit(2, f"{error}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m msaas.identity", description=__doc__)
    subcommands = parser.add_subparsers(required=True)
    subcommands.add_parser("serve", help="serve /auth/v1").set_defaults(action=_serve)
    rotate = subcommands.add_parser("rotate-keys", help="sign new tokens with the next key")
    rotate.add_argument(
        "--at-once",
        action="store_true",
        help="even if clients may not have fetched the next key yet",
    )
    rotate.set_defaults(action=_rotate)
    seed = subcommands.add_parser(
        "seed-user", help="create or change a user; the password is never an argument"
    )
    seed.add_argument("--email", required=True)
    seed.add_argument(
        "--password-env",
        metavar="NAME",
        help="the variable with the password (default: a line of stdin)",
    )
    seed.add_argument("--plan", choices=[str(plan) for plan in Plan])
    seed.add_argument("--role", choices=ROLES)
    seed.set_defaults(action=_seed)
    return parser


def _serve(settings: Settings, _options: argparse.Namespace) -> None:
    run(serve(settings))


def _rotate(settings: Settings, options: argparse.Namespace) -> None:
    configure_command_logging(settings)
    keys = asyncio.run(rotate_keys(settings, at_once=options.at_once))
    print("\n".join(f"{key.use:9} {key.kid}" for key in keys))


def _seed(settings: Settings, options: argparse.Namespace) -> None:
    configure_command_logging(settings)
    plan = Plan(options.plan) if options.plan else None
    seeding = seed_user(
        settings, options.email, _read_password(options), plan=plan, role=options.role
    )
    user = asyncio.run(seeding)
    print(f"seeded: {user.email}")


def _read_password(options: argparse.Namespace) -> str:
    if options.password_env:
        return os.environ.get(options.password_env, "")
    return sys.stdin.readline().rstrip("\r\n")


if __name__ == "__main__":
    main()
