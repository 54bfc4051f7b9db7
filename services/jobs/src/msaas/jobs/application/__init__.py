"""What the service does: one file for each act, and the ports it needs."""
