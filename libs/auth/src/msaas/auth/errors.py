"""Why somebody is not let in; the words are the same whatever was wrong with the token.

MsaasError
├── Unauthenticated        no token, or one that is not good
│   └── TokenExpired       it was good once
└── DependencyUnavailable
    └── KeysUnavailable    nobody can be checked: the published keys are out of reach for too long
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
    default_message: ClassVar[str] = "Authentication is unavailable, try again shortly."
