"""Errors of keys and sealed values; none of them contains the value.

MsaasError
├── InvalidSealingKey  the setting is not a key
├── UnknownSealingKey  sealed for a key that the unsealer does not have
└── InvalidSeal        changed, or sealed for another context
"""

from typing import ClassVar

from msaas.kernel import MsaasError


class InvalidSealingKey(MsaasError):
    default_message: ClassVar[str] = "Invalid sealing key."


class UnknownSealingKey(MsaasError):
    default_message: ClassVar[str] = "The value was sealed for an unknown key."


class InvalidSeal(MsaasError):
    default_message: ClassVar[str] = "The sealed value is invalid for this context."
