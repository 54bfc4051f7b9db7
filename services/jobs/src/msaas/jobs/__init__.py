"""The lifecycle of a job, from the command that submits it to the usage that is charged."""

__all__ = ()
