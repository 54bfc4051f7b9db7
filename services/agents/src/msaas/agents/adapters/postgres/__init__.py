"""What agents keep in Postgres."""
