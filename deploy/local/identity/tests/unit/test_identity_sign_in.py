"""Signing in does the same work whether or not the address is known."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from msaas.identity.application.use_cases import AuthUseCases
from msaas.identity.domain.errors import InvalidCredentials
from msaas.testing import FakeClock


@dataclass
class RecordingPasswords:
    verified: list[str | None] = field(default_factory=list[str | None])

    async def hash(self, password: str) -> str:
        raise NotImplementedError

    async def verify(self, stored: str | None, password: str) -> bool:
        self.verified.append(stored)
        # Even a hash that fits by some miracle opens no account that does not exist.
        return True


class EmptyAccounts:
    async def find_by_email(self, email: str) -> None:
        return None


async def test_an_unknown_address_costs_a_hash_too(fake_clock: FakeClock) -> None:
    passwords = RecordingPasswords()
    use_cases = AuthUseCases(
        accounts=cast("Any", EmptyAccounts()),
        sessions=cast("Any", None),
        passwords=passwords,
        tokens=cast("Any", None),
        issuer="issuer",
        clock=fake_clock,
    )
    with pytest.raises(InvalidCredentials):
        await use_cases.sign_in("a@example.com", "correct horse")
    assert passwords.verified == [None]
