"""Commands that run the programs of other packages; none of them is imported."""

import sys
from importlib.util import find_spec

from msaas.embedded import MissingProgram


def module_command(module: str) -> list[str]:
    """Begin a command that runs a module, whatever lies in the current folder."""
    if find_spec(module) is None:
        package = module.replace("msaas.", "msaas-", 1).replace("_", "-")
        raise MissingProgram(f"The package {package} is not installed here.")
    return [sys.executable, "-P", "-m", module]
