"""`python -m msaas.agents serve`."""

import argparse
import os
from collections.abc import Sequence

from msaas.settings import SettingsInvalid, load_settings
from msaas.web import run


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m msaas.agents", description=__doc__)
    parser.add_argument("kind", choices=("serve",))
    parser.parse_args(arguments)
    from msaas.agents.bootstrap import serve
    from msaas.agents.settings import AgentSettings
    from msaas.flags import read_defaults

    try:
        run(serve(load_settings(AgentSettings, os.environ), read_defaults(os.environ)))
    except SettingsInvalid as invalid:
        parser.exit(2, f"{invalid}\n")


if __name__ == "__main__":
    main()
