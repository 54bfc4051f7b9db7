"""Sets the passwords of logins that migrations create without one."""

from collections.abc import Mapping, Sequence

import asyncpg

from msaas.postgres.scram import build_verifier


def find_passwords(logins: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the passwords that are given, each in the variable `<LOGIN>_PASSWORD`."""
    variables = {login: f"{login.upper()}_PASSWORD" for login in logins}
    return {login: environ[name] for login, name in variables.items() if environ.get(name)}


async def set_passwords(url: str, passwords: Mapping[str, str]) -> None:
    connection = await asyncpg.connect(url)
    try:
        for login, password in passwords.items():
            await set_password(connection, login, password)
    finally:
        await connection.close()


async def set_password(connection: asyncpg.Connection, login: str, password: str) -> None:
    """Send the verifier, whose characters need no quoting: the server never sees the password."""
    await connection.execute(f"ALTER ROLE \"{login}\" PASSWORD '{build_verifier(password)}'")
