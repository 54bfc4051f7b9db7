"""The record: users, sessions and keys."""
