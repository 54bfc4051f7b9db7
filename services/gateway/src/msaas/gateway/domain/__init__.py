"""Pure decisions: positions in lists and streams, replay, request fingerprints."""
