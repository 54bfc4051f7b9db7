"""The database: tables and the statements on them."""
