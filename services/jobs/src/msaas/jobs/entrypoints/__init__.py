"""Where work comes in: topics, timers."""
