"""The record: tables and the statements on them."""
