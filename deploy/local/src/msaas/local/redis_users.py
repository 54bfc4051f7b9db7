"""The users of the embedded Redis: one for each process, with the grants of the registry."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlsplit

from msaas.contracts import PROCESSES, render_acl

LOCAL_ENVIRONMENT = "local"


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
