"""What can be wrong with a key or a seal; none of it says what was inside.

MsaasError
├── KeyMalformed      the setting holds no key
├── SealUnreadable    sealed for a key that is not here, or no longer
└── SealBroken        not what was sealed, or not sealed for this place
"""

from typing import ClassVar

from msaas.kernel import MsaasError


class KeyMalformed(MsaasError):
    default_message: ClassVar[str] = "This is no sealing key."


class SealUnreadable(MsaasError):
    default_message: ClassVar[str] = "A sealed value was sealed for a key that is not here."


class SealBroken(MsaasError):
    default_message: ClassVar[str] = "A sealed value is not what was sealed for this place."
