"""Values that only the owner of a private key can read, each bound to one context."""

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
