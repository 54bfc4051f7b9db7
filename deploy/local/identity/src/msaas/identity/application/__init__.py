"""What the server does: one file for each act, and the ports it needs."""
