"""The HTTP API of the platform."""

__all__ = ()
