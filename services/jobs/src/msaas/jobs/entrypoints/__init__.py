"""Where work enters: topics and periodic tasks."""
