"""Values that only their owner can read, bound to the one place where they belong."""

from msaas.sealing.errors import InvalidSeal, InvalidSealingKey, UnknownSealingKey
from msaas.sealing.keys import PrivateKey, PublicKey
from msaas.sealing.sealed_values import SEALED_KEY, Sealer, Unsealer, is_sealed

__all__ = [
    "SEALED_KEY",
    "InvalidSeal",
    "InvalidSealingKey",
    "PrivateKey",
    "PublicKey",
    "Sealer",
    "UnknownSealingKey",
    "Unsealer",
    "is_sealed",
]
