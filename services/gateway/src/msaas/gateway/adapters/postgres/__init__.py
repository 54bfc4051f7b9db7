"""The database: tables and statements."""
