"""The passwords and keys of one data folder: generated once, readable by the owner only."""

import secrets
from collections.abc import Callable
from pathlib import Path

from msaas.sealing import PrivateKey

SEALING_KEYS = "sealing-keys"
MAX_SEALING_KEYS = 3


def _generate_password() -> str:
    return secrets.token_urlsafe(24)


def get_or_create_secret(
    folder: Path, name: str, make: Callable[[], str] = _generate_password
) -> str:
    path = folder / name
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(make())
    return path.read_text()


def get_or_create_sealing_keys(folder: Path) -> list[PrivateKey]:
    """Return the current key first, then earlier ones that sealed jobs still waiting."""
    text = get_or_create_secret(folder, SEALING_KEYS, lambda: PrivateKey.generate().export())
    return [PrivateKey.parse(key) for key in text.split(",")]


def rotate_sealing_key(folder: Path) -> PrivateKey:
    """Put a new key first; the oldest is dropped when there are too many."""
    fresh = PrivateKey.generate()
    keys = [fresh, *get_or_create_sealing_keys(folder)][:MAX_SEALING_KEYS]
    (folder / SEALING_KEYS).write_text(",".join(key.export() for key in keys))
    return fresh
