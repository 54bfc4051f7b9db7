"""The passwords and keys of one data folder: made once, kept for its owner's eyes."""

import secrets
from pathlib import Path


def keep_secret(folder: Path, name: str) -> str:
    path = folder / name
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24))
    return path.read_text()
