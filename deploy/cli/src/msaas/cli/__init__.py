"""The verbs of `./msaas` and the checks that hold the house style."""

from msaas.cli.verbs import VERBS, Verb, main

__all__ = ["VERBS", "Verb", "main"]
