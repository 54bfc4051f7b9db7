"""Writes docs/authorization-contract.md from the catalogue: role, object, privilege, policy."""

from collections import defaultdict
from collections.abc import Iterable

import asyncpg

from msaas.dev.schema.callers import render_callers
from msaas.dev.schema.owners import API_SCHEMA, SchemaOwner

_ROLES = r"""
SELECT rolname AS name, rolcanlogin AS login, rolinherit AS inherits, rolbypassrls AS bypasses,
  (SELECT string_agg(m.roleid::regrole::text, ', ' ORDER BY 1) FROM pg_auth_members m
   WHERE m.member = r.oid) AS member_of
FROM pg_roles r
WHERE rolname LIKE 'svc\_%' OR rolname LIKE 'msaas\_%'
  OR rolname IN ('anon', 'authenticated', 'service_role')
ORDER BY rolname
"""

# One row for each object, role and privilege; a column's privilege names the column.
_GRANTS = """
SELECT object, coalesce(r.rolname, 'PUBLIC') AS role, acl.privilege_type AS privilege,
  string_agg(part, ', ' ORDER BY position) AS parts
FROM (
  SELECT 'schema ' || nspname AS object, NULL AS part, 0 AS position, nspacl AS given,
    nspowner AS owner, nspname AS schema
  FROM pg_namespace
  UNION ALL
  SELECT n.nspname || '.' || c.relname, NULL, 0, c.relacl, c.relowner, n.nspname
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  UNION ALL
  SELECT n.nspname || '.' || c.relname, a.attname, a.attnum, a.attacl, c.relowner, n.nspname
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
  UNION ALL
  SELECT format('%s.%s()', n.nspname, p.proname), NULL, 0,
    coalesce(p.proacl, acldefault('f', p.proowner)), p.proowner, n.nspname
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
) objects, LATERAL aclexplode(given) acl LEFT JOIN pg_roles r ON r.oid = acl.grantee
WHERE schema = ANY ($1) AND acl.grantee <> owner
GROUP BY object, role, privilege
ORDER BY object, role, privilege
"""

_POLICIES = """
SELECT schemaname || '.' || tablename AS object, unnest(roles)::text AS role, policyname AS name,
  cmd AS command, qual, with_check
FROM pg_policies
WHERE schemaname = ANY ($1)
ORDER BY 1, 2, 3
"""

_HEADER = """# Authorization contract

Generated from the code and the catalogue of a migrated database by `python -m msaas.dev.schema`; a
test compares. What is not listed is refused. Every table has row-level security enabled and forced,
so a privilege without a policy beside it reaches no row; a view is read with its reader's own
rights. Objects belong to `msaas_owner`, which no service logs in as.

## Roles

| role | login | inherits | sees past policies | member of |
| --- | --- | --- | --- | --- |
"""


async def render_authorization(
    connection: asyncpg.Connection, owners: Iterable[SchemaOwner]
) -> str:
    schemas = [API_SCHEMA, *(owner.schema for owner in owners)]
    roles = [_describe_role(row) for row in await connection.fetch(_ROLES)]
    policies: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for row in await connection.fetch(_POLICIES, schemas):
        policies[row["object"], row["role"]].append(_describe_policy(row))
    granted: dict[str, defaultdict[str, list[str]]] = {}
    for row in await connection.fetch(_GRANTS, schemas):
        columns = f" ({row['parts']})" if row["parts"] else ""
        of_object = granted.setdefault(row["object"], defaultdict(list))
        of_object[row["role"]].append(row["privilege"] + columns)
    lines = [line for name in granted for line in _describe(name, granted[name], policies)]
    return _HEADER + "\n".join([*roles, render_callers(), *lines]) + "\n"


def _describe(
    name: str, granted: dict[str, list[str]], policies: dict[tuple[str, str], list[str]]
) -> list[str]:
    return [
        f"\n## {name}\n",
        "| role | may | as far as |",
        "| --- | --- | --- |",
        *(
            f"| {role} | {', '.join(privileges)} | {'; '.join(policies.get((name, role), []))} |"
            for role, privileges in granted.items()
        ),
    ]


def _describe_role(row: asyncpg.Record) -> str:
    marks = ("yes" if row[key] else "" for key in ("login", "inherits", "bypasses"))
    return f"| {row['name']} | {' | '.join(marks)} | {row['member_of'] or ''} |"


def _describe_policy(row: asyncpg.Record) -> str:
    rule = " ".join(str(row["qual"] or row["with_check"]).split())
    return f"{row['name']} ({row['command'].lower()}): `{rule}`"
