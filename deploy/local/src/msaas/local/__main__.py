"""`python -m msaas.local up|down|status|logs`."""

import sys

from msaas.local import commands

_COMMANDS = {
    "up": commands.up,
    "down": commands.down,
    "status": commands.status,
    "logs": commands.logs,
}

if __name__ == "__main__":
    verb, *rest = sys.argv[1:] or ["status"]
    if verb not in _COMMANDS:
        sys.exit(f"commands: {', '.join(_COMMANDS)}")
    sys.exit(_COMMANDS[verb](rest))
