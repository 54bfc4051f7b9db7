"""The HTTP surface that Supabase's clients know."""
