"""`python -m msaas.local up | down | status | logs | migrate | seed`."""

import sys

from msaas.local import commands, migrate, seed

_COMMANDS = {
    "up": commands.up,
    "down": commands.down,
    "status": commands.status,
    "logs": commands.logs,
    "migrate": migrate.run,
    "seed": seed.run,
}

if __name__ == "__main__":
    name, *rest = sys.argv[1:] or ["status"]
    if name not in _COMMANDS:
        sys.exit(f"commands: {', '.join(_COMMANDS)}")
    sys.exit(_COMMANDS[name](rest))
