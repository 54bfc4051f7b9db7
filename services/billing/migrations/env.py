"""Alembic's entry into the chain of billing: schema `billing`."""

from msaas.postgres.migrations import run_migrations

run_migrations()
