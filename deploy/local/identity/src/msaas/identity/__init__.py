"""A Supabase-compatible auth server for one machine."""

__all__ = ()
