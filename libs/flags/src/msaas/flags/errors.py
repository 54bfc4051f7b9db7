"""The errors of feature flags.

MsaasError
├── FeatureFlagDisabled    the flag is off for this user
├── UnknownFlag            no flag has this name
└── DependencyUnavailable
    └── FlagsUnavailable   the overrides have not been read yet
"""

from typing import ClassVar

from msaas.kernel import DependencyUnavailable, ErrorKind, MsaasError


class FeatureFlagDisabled(MsaasError):
    code: ClassVar[str] = "feature_flag_disabled"
    kind: ClassVar[ErrorKind] = ErrorKind.FORBIDDEN
    default_message: ClassVar[str] = "This feature is disabled."
    public_context: ClassVar[frozenset[str]] = frozenset({"flag"})


class UnknownFlag(MsaasError):
    code: ClassVar[str] = "not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "Unknown feature flag."


class FlagsUnavailable(DependencyUnavailable):
    default_message: ClassVar[str] = "Feature flags are unavailable, try again shortly."
