"""Values that only their owner can read, bound to the one place where they belong."""

from msaas.sealing.errors import InvalidSealingKey, InvalidSeal, UnknownSealingKey
from msaas.sealing.keys import PrivateKey, PublicKey
from msaas.sealing.sealed_values import SEALED_KEY, Unsealer, Sealer, is_sealed

__all__ = [
    "SEALED_KEY",
    "InvalidSealingKey",
    "Unsealer",
    "PrivateKey",
    "PublicKey",
    "InvalidSeal",
    "UnknownSealingKey",
    "Sealer",
    "is_sealed",
]
