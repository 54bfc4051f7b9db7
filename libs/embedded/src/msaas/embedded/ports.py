"""Finds free loopback ports."""

import random
import socket

LOOPBACK = "127.0.0.1"

# Below the kernel's range of source ports: a client that retries a closed port of that range can
# connect to itself.
_SEARCHED = range(20_000, 32_000)


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def find_free_port() -> int:
    while True:
        port = random.choice(_SEARCHED)  # noqa: S311 - spreading, not secrecy
        if is_free(port):
            return port
