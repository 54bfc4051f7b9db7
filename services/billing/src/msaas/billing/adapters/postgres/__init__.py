"""Postgres: the tables of schema `billing`, and the stores of the use cases."""
