"""Alembic's entry into the gateway's chain: schema `identity`."""

from msaas.postgres.migrations import run_migrations

run_migrations()
