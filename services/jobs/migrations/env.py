"""Alembic's entry into the chain of jobs: schema `jobs`."""

from msaas.postgres.migrations import run_migrations

run_migrations()
