"""Upgrades the schema of one service alone: what its image runs once, before a release."""

import asyncio
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from sqlalchemy.exc import DBAPIError

from msaas.kernel import ErrorKind, MsaasError
from msaas.postgres.logins import find_passwords, set_passwords
from msaas.postgres.migrations import Migrations
from msaas.postgres.postgres_config import PostgresConfig
from msaas.settings import PostgresSettings, load_settings

DECLARATION: Final = "schema.toml"
# Undefined schema, table and object: what a foreign key to a missing schema is refused with.
_UNDEFINED: Final = frozenset({"3F000", "42P01", "42704"})


class InstalledTooEarly(MsaasError):
    """The schema refers to one that is not installed yet; nothing has been changed."""

    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT


@dataclass(frozen=True, slots=True)
class MigrationChain:
    """The scripts of one schema, and the services whose schemas its foreign keys point to."""

    schema: str
    scripts: Path
    after: tuple[str, ...] = ()

    @classmethod
    def read(cls, scripts: Path) -> "MigrationChain":
        declared = tomllib.loads((scripts / DECLARATION).read_text())
        return cls(declared["schema"], scripts, tuple(declared["after"]))

    def migrations(self, dsn: str) -> Migrations:
        return Migrations(self.schema, self.scripts, PostgresConfig(dsn))

    def upgrade(self, dsn: str) -> None:
        """Bring the schema to its head. Blocking, as `Migrations` is."""
        migrations = self.migrations(dsn)
        try:
            migrations.upgrade()
        except DBAPIError as error:
            is_undefined = getattr(error.orig, "sqlstate", "") in _UNDEFINED
            if is_undefined and self.after and migrations.current_revision() is None:
                owners = " and ".join(self.after)
                raise InstalledTooEarly(
                    f"The schema {self.schema} refers to what {owners} owns: "
                    f"run `migrate` of {owners} first. Nothing was changed."
                ) from error
            raise


def find_scripts(module_file: str) -> Path:
    """Return a service's scripts: in its folder of a checkout, beside the environment in an image.

    `module_file` is the path of a module directly in the service's package.
    """
    checkout = Path(module_file).resolve().parents[3] / "migrations"
    return checkout if checkout.is_dir() else Path(sys.prefix).parent / "migrations"


def migrate_service(module_file: str, logins: Sequence[str], environ: Mapping[str, str]) -> str:
    """Upgrade the schema, set the passwords that are given, and describe the result.

    DATABASE_URL is a login that may create schemas and roles.
    """
    settings = load_settings(PostgresSettings, environ)
    url = settings.database_url.get_secret_value()
    chain = MigrationChain.read(find_scripts(module_file))
    chain.upgrade(url)
    passwords = find_passwords(logins, environ)
    asyncio.run(set_passwords(url, passwords))
    revision = chain.migrations(url).current_revision()
    return f"{chain.schema} is at {revision}; passwords set: {', '.join(passwords) or 'none'}"
