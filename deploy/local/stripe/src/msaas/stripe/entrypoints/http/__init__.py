"""The HTTP API of Supabase Auth."""
