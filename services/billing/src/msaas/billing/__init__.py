"""Billing."""

__all__: list[str] = []
