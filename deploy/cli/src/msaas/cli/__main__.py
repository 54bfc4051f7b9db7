"""Runs one verb: what `./msaas` ends in once the environment is there."""

import sys

from msaas.cli.verbs import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
