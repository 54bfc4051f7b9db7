"""The Redis users of the fleet on a test's Redis, each with the grants of its process."""

import hashlib
from typing import Any
from urllib.parse import urlsplit

import redis

from msaas.contracts import PROCESSES, render_acl

# redis-py leaves much of its own surface untyped.
_Redis: Any = redis.Redis


def hash_process_passwords() -> dict[str, str]:
    return {name: hashlib.sha256(_password_of(name).encode()).hexdigest() for name in PROCESSES}


def create_process_users(url: str) -> None:
    """Create the users that the generated ACL file has, unless the server has them."""
    client = _Redis.from_url(url)
    known = set(client.acl_users())
    for line in render_acl("*", hash_process_passwords()).splitlines():
        _, name, *rules = line.split()
        if name in PROCESSES and name not in known:
            client.execute_command("ACL", "SETUSER", name, *rules)
    client.close()


def url_for_process(url: str, process: str) -> str:
    """Return the address with the user of a process."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{process}:{_password_of(process)}@{host}").geturl()


def _password_of(process: str) -> str:
    return f"of-{process}"
