"""Commands that run the programs of other packages; none of them is imported."""

import sys
from importlib.util import find_spec

from msaas.embedded import MissingProgram


def module_command(program: str) -> list[str]:
    """Begin a command that runs a program of `msaas`, whatever the current folder contains."""
    module = f"msaas.{program}"
    if find_spec(module) is None:
        package = f"msaas-{program}".replace("_", "-")
        raise MissingProgram(f"The package {package} is not installed here.")
    return [sys.executable, "-P", "-m", module]
