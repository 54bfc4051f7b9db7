"""What earlier runs of a user have read: vectors in Chroma, texts in Postgres."""
