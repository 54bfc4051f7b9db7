"""Alembic's entry into the chain of agents: schema `agents`."""

from msaas.postgres.migrations import run_migrations

run_migrations()
