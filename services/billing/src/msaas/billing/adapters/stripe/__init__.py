"""Stripe: the client, and what it answers as values of the domain."""
