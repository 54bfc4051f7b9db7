"""Refuses what must not be committed: registry hosts, paths of one machine, private keys."""

import re
from collections.abc import Iterator

from msaas.dev.checks.tree import Tree

FORBIDDEN = {
    "the host of a package registry": re.compile(
        r"pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|yarnpkg\.com"
        r"|(?:deb|security|snapshot)\.debian\.org|archive\.ubuntu\.com|proxy\.golang\.org"
    ),
    "an absolute path of one machine": re.compile(r"(?<![\w.:/~})-])/(?:work|root|home|Users)/\w"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bsk_live_\w{8}"),
}
# A lock that names its sources; the hash-pinned requirement files do not.
FORBIDDEN_FILES = ("uv.lock", ".env", ".pem", ".key")


def find_problems(tree: Tree) -> Iterator[str]:
    for name in tree.files:
        if name.endswith(FORBIDDEN_FILES):
            yield f"{name}: a file of this kind is not committed"
        for number, line in enumerate(tree.text(name).splitlines(), start=1):
            yield from (
                f"{name}:{number}: {what}"
                for what, pattern in FORBIDDEN.items()
                if pattern.search(line)
            )
