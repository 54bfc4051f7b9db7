"""The errors of authentication; a 401 does not disclose what was wrong with the token.

MsaasError
├── Unauthenticated        no credential, or an invalid one
│   └── TokenExpired       the token was valid before
└── DependencyUnavailable
    └── JwksUnavailable    the published keys could not be fetched for too long
"""

from typing import ClassVar

from msaas.kernel import DependencyUnavailable, ErrorKind, MsaasError


class Unauthenticated(MsaasError):
    code: ClassVar[str] = "unauthenticated"
    kind: ClassVar[ErrorKind] = ErrorKind.UNAUTHENTICATED
    default_message: ClassVar[str] = "The request carries no valid credentials."


class TokenExpired(Unauthenticated):
    code: ClassVar[str] = "token_expired"
    default_message: ClassVar[str] = "The access token is past its expiry."


class JwksUnavailable(DependencyUnavailable):
    default_message: ClassVar[str] = "Authentication is unavailable. Try again shortly."
