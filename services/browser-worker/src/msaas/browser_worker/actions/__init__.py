"""What a browser can be asked to do, one class a task type."""
