"""The one door to the platform."""

__all__ = ()
