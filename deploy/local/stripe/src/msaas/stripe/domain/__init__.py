"""Decisions about users, sessions and keys: no clock, no I/O, no framework."""
