"""What stands behind the ports: Postgres, argon2, signed tokens."""
