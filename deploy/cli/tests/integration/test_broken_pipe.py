"""What a verb does when whoever reads along has seen enough."""

import os
import subprocess
import sys


def test_a_reader_who_leaves_ends_the_verb_without_a_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "msaas.cli", "help"],
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")
