"""Decisions about jobs: no clock, no I/O, no framework."""
