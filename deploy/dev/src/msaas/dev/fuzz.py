"""`./msaas fuzz [EXAMPLES]`: fuzzes the gateway with random examples, more than in CI."""

import os
import subprocess

from msaas.dev.workspace import ROOT, module_command

TEST = "services/gateway/tests/contract/test_gateway_fuzz.py"
EXAMPLES = 200


def run(argv: list[str]) -> int:
    examples = argv[0] if argv else str(EXAMPLES)
    command = [
        *module_command("pytest"),
        TEST,
        "--no-cov",
        "--timeout=0",
        "--capture=no",
        "--tb=short",
    ]
    environment = {**os.environ, "FUZZ_EXAMPLES": examples}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
