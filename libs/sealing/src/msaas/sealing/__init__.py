"""Values that only their owner can read, bound to the one place where they belong."""

from msaas.sealing.errors import KeyMalformed, SealBroken, SealUnreadable
from msaas.sealing.keys import PrivateKey, PublicKey
from msaas.sealing.seals import MARK, Opener, Sealer, is_sealed

__all__ = [
    "MARK",
    "KeyMalformed",
    "Opener",
    "PrivateKey",
    "PublicKey",
    "SealBroken",
    "SealUnreadable",
    "Sealer",
    "is_sealed",
]
