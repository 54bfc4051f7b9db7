"""The door before the local folder of files, in the place of a bucket."""

__all__: list[str] = []
