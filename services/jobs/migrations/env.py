"""Alembic's entry into the chain of jobs: schema `jobs`."""

from msaas.postgres import run_migrations

run_migrations()
