"""Agents."""

__all__: list[str] = []
