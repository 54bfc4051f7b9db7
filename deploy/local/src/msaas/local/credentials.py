"""The passwords and keys of one data folder, generated once, and the users of its Redis.

Secrets are readable by the owner only. Redis has one user for each process, with the grants of
the registry.
"""

import hashlib
import secrets
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlsplit

from msaas.contracts import PROCESSES, render_acl
from msaas.sealing import PrivateKey

LOCAL_ENVIRONMENT = "local"
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


def write_users(path: Path, default_password: str, get_secret: Callable[[str], str]) -> None:
    """Write the ACL file; the default user stays enabled for the launcher and the operator."""
    hashes = {process: _digest(get_secret(redis_secret_name(process))) for process in PROCESSES}
    closed, *users = render_acl(LOCAL_ENVIRONMENT, hashes).splitlines(keepends=True)
    opened = f"{closed.split(' off', maxsplit=1)[0]} on #{_digest(default_password)} ~* &* +@all\n"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text("".join([opened, *users]))


def redis_secret_name(process: str) -> str:
    return f"redis-{process}"


def url_with_credentials(url: str, user: str, password: str) -> str:
    """Return the URL with other credentials."""
    parts = urlsplit(url)
    credentials = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return parts._replace(netloc=f"{credentials}@{parts.hostname}:{parts.port}").geturl()


def _digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()
