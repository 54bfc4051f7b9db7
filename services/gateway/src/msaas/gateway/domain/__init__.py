"""Pure decisions: places in lists and streams, what a reader missed, sameness of requests."""
