"""What contributors run: tests, checks, generators, scaffolds, chaos."""

__all__: list[str] = []
