"""The adapters: Postgres, argon2, signed tokens."""
