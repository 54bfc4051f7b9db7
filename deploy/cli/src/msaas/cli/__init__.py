"""The operator's command line: run, inspect and repair a fleet."""

from msaas.cli.commands import COMMANDS, CliCommand, find_commands, main

__all__ = ["COMMANDS", "CliCommand", "find_commands", "main"]
