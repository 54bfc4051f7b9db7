"""The tasks of the browser worker, one class for each task type."""
