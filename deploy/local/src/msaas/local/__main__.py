"""`python -m msaas.local up|down|status|logs`."""

import sys

from msaas.local import verbs

_VERBS = {"up": verbs.up, "down": verbs.down, "status": verbs.status, "logs": verbs.logs}

if __name__ == "__main__":
    verb, *rest = sys.argv[1:] or ["status"]
    if verb not in _VERBS:
        sys.exit(f"verbs: {', '.join(_VERBS)}")
    sys.exit(_VERBS[verb](rest))
