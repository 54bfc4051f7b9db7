"""The verbs of `./msaas` and the checks of the code base."""

from msaas.cli.commands import COMMANDS, CliCommand, main

__all__ = ["COMMANDS", "CliCommand", "main"]
