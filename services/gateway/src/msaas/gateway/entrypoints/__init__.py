"""What comes in from outside: requests and the event log."""
