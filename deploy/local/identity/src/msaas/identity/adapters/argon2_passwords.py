"""Password hashing with argon2id, in a few threads beside the event loop."""

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

# OWASP's minimum: 19 MiB and about 20 ms for each attempt.
_PASSES: Final = 2
_MEMORY_KIB: Final = 19 * 1024
_MAX_THREADS: Final = 2


class Argon2Passwords:
    def __init__(self) -> None:
        self._hasher = PasswordHasher(_PASSES, _MEMORY_KIB, parallelism=1)
        self._threads = ThreadPoolExecutor(_MAX_THREADS, thread_name_prefix="argon2")
        # Verifying against it costs as much as a real hash, and no password matches.
        self._dummy_hash = self._hasher.hash(secrets.token_urlsafe(32))

    async def hash(self, password: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, self._hasher.hash, password
        )

    async def verify(self, stored: str | None, password: str) -> bool:
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, self._matches, stored or self._dummy_hash, password
        )

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except VerifyMismatchError:
            return False
