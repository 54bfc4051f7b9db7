"""The file server before the local artifact folder; it stands in for a bucket."""

__all__: list[str] = []
