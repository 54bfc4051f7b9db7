"""The entry points: HTTP requests and topics."""
