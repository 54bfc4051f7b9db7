"""`python -m msaas.file_server --folder FOLDER`: serves signed links to a folder."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from msaas.artifacts import FileServer, LinkSigner


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m msaas.file_server", description=__doc__)
    parser.add_argument("--port", type=int, default=8020)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--folder", type=Path, required=True)
    chosen = parser.parse_args(arguments)
    given = {
        name: os.environ.get(name, "") for name in ("ARTIFACTS_LINK_KEY", "ARTIFACTS_LINK_URL")
    }
    for name in (name for name, value in given.items() if not value):
        parser.exit(2, f"{name} is missing\n")
    chosen.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file_server = FileServer(
        chosen.folder, LinkSigner(given["ARTIFACTS_LINK_KEY"], given["ARTIFACTS_LINK_URL"])
    )
    # An access log would contain the links, and a link grants access.
    uvicorn.run(
        file_server,
        host=chosen.host,
        port=chosen.port,
        lifespan="off",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=3,
    )


if __name__ == "__main__":
    main()
