"""What can be wrong with a key or a seal; none of it says what was inside.

MsaasError
├── KeyMalformed      the setting holds no key
├── SealUnreadable    sealed for a key that is not here, or no longer
└── SealBroken        not what was sealed, or not sealed for this place
"""

from typing import ClassVar

from msaas.kernel import MsaasError


class InvalidSealingKey(MsaasError):
    default_message: ClassVar[str] = "Invalid sealing key."


class UnknownSealingKey(MsaasError):
    default_message: ClassVar[str] = "The value was sealed for an unknown key."


class InvalidSeal(MsaasError):
    default_message: ClassVar[str] = "The sealed value is invalid for this context."
