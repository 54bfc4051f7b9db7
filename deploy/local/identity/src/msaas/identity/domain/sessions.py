"""A session and its refresh tokens: one is active, its parent may come again, older ones may not.

Each token is made from the one before it, so that the active token can be given once more to
whoever shows its parent, while only digests are stored.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from uuid import UUID


class RefreshDecision(Enum):
    ROTATE = auto()  # the active token: its child takes its place
    REPEAT = auto()  # the parent of the active one: the answer that held it was lost
    REVOKE = auto()  # an older one: two hold this family, and one of them is a thief
    REFUSE = auto()  # the family has been revoked


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """`generation` counts the rotations: it is the number of the active token."""

    id: UUID
    user_id: UUID
    secret: bytes = field(repr=False)
    created_at: datetime
    generation: int = 0
    revoked: bool = False

    def check_refresh(self, generation: int) -> RefreshDecision:
        if self.revoked:
            return RefreshDecision.REFUSE
        match self.generation - generation:
            case 0:
                return RefreshDecision.ROTATE
            case 1:
                return RefreshDecision.REPEAT
            case _:
                return RefreshDecision.REVOKE

    def derive_child_token(self, token: str) -> str:
        made = hmac.digest(self.secret, token.encode(), "sha256")
        return urlsafe_b64encode(made).rstrip(b"=").decode()


def hash_token(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
