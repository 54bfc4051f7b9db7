"""Who the users of one machine are, told in Supabase's words."""

__all__ = ()
