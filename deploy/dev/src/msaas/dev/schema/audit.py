"""Finds schema objects that would let one tenant read another's rows."""

from collections.abc import Iterable

import asyncpg

from msaas.dev.schema.owners import API_SCHEMA, SCHEMA_OWNERS, SchemaOwner

_READERS = ("anon", "authenticated", "svc_gateway_read")

_RELATIONS = """
SELECT format('%s: %s', c.oid::regclass, found.problem)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
LATERAL (VALUES
  ('row-level security is not both enabled and forced',
   c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity)),
  ('a view without security_invoker reads with its owner''s rights',
   c.relkind = 'v' AND NOT coalesce('security_invoker=true' = ANY (c.reloptions), false)),
  ('a materialized view knows no row-level security', c.relkind = 'm'),
  ('is granted to PUBLIC or anon', EXISTS (
    SELECT FROM aclexplode(c.relacl) WHERE grantee IN (0, 'anon'::regrole)))
) AS found (problem, present)
WHERE n.nspname = ANY ($1) AND found.present AND c.relname <> 'alembic_version'
ORDER BY 1
"""

_FUNCTIONS = """
SELECT format('%s: %s', p.oid::regprocedure, found.problem)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace,
LATERAL (VALUES
  ('a SECURITY DEFINER function is open to PUBLIC', p.prosecdef
   AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner)))
               WHERE grantee = 0)),
  ('a SECURITY DEFINER function does not fix its search_path', p.prosecdef
   AND NOT coalesce(array_to_string(p.proconfig, ',') LIKE '%search_path=%', false))
) AS found (problem, present)
WHERE n.nspname = ANY ($1) AND found.present
ORDER BY 1
"""

_ROLES = r"""
SELECT format('%s: %s', r.rolname, found.problem)
FROM pg_roles r,
LATERAL (VALUES
  ('is superuser or sees past row-level security', r.rolsuper OR r.rolbypassrls),
  ('may make roles', r.rolcreaterole),
  ('is a member of more than it needs', EXISTS (
    SELECT FROM pg_auth_members m WHERE m.member = r.oid AND NOT (
      r.rolname = 'svc_gateway_read' AND m.roleid = 'authenticated'::regrole)))
) AS found (problem, present)
WHERE (r.rolname LIKE 'svc\_%' OR r.rolname IN ('anon', 'authenticated', 'msaas_owner',
  'msaas_backfill')) AND found.present
ORDER BY 1
"""


async def find_problems(
    connection: asyncpg.Connection, owners: Iterable[SchemaOwner] = SCHEMA_OWNERS
) -> list[str]:
    owners = tuple(owners)
    schemas = [API_SCHEMA, *(owner.schema for owner in owners)]
    problems: list[str] = []
    for query, arguments in ((_RELATIONS, [schemas]), (_FUNCTIONS, [schemas]), (_ROLES, [])):
        problems += [row[0] for row in await connection.fetch(query, *arguments)]
    return problems + await _find_exposed_secrets(connection, owners)


async def _find_exposed_secrets(
    connection: asyncpg.Connection, owners: Iterable[SchemaOwner]
) -> list[str]:
    return [
        f"{table.fullname}.{column.name}: is a secret that {role} may read"
        for owner in owners
        for table in owner.metadata.sorted_tables
        for column in table.columns
        if column.info.get("class") == "secret"
        for role in _READERS
        if await connection.fetchval(
            "SELECT has_column_privilege($1, $2, $3, 'SELECT')", role, table.fullname, column.name
        )
    ]
