"""Users, sessions and keys in Postgres."""
