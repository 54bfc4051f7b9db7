"""Signing keys: each is published before it signs and until its last token expires."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final

from msaas.identity.domain.sessions import TOKEN_LIFETIME
from msaas.kernel import ErrorKind, MsaasError

# Clients cache the published keys for ten minutes.
PROPAGATION_TIME: Final = timedelta(minutes=10)
_LEEWAY: Final = timedelta(minutes=5)


class StandbyKeyTooNew(MsaasError):
    code: ClassVar[str] = "standby_too_young"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT


class KeyUse(StrEnum):
    STANDBY = "standby"
    CURRENT = "current"
    PREVIOUS = "previous"


_NEXT_USE: Final = {KeyUse.STANDBY: KeyUse.CURRENT, KeyUse.CURRENT: KeyUse.PREVIOUS}


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """`jwk` is the private key as JSON; `since` is when its current use began."""

    kid: str
    use: KeyUse
    since: datetime
    jwk: str = field(repr=False)


def rotate_signing_keys(
    keys: Sequence[SigningKey], fresh: SigningKey, now: datetime, *, at_once: bool = False
) -> list[SigningKey]:
    """Move every key to its next use; `at_once` allows a key that clients may not know yet."""
    standby = next(key for key in keys if key.use is KeyUse.STANDBY)
    if not at_once and now - standby.since < PROPAGATION_TIME:
        wait = (standby.since + PROPAGATION_TIME - now).total_seconds()
        raise StandbyKeyTooNew(
            f"Not every client knows the standby key yet: try again in {wait:.0f} s."
        )
    return [fresh, *_advance_keys(keys, now)]


def _advance_keys(keys: Sequence[SigningKey], now: datetime) -> Iterator[SigningKey]:
    for key in keys:
        if key.use is not KeyUse.PREVIOUS:
            yield replace(key, use=_NEXT_USE[key.use], since=now)
        elif now - key.since < TOKEN_LIFETIME + _LEEWAY:
            yield key
