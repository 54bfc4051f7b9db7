"""The errors of the API, under the codes of Supabase Auth.

MsaasError
└── AuthError
    ├── ValidationFailed             the request is malformed
    ├── InvalidCredentials           unknown user or wrong password: never says which
    ├── UserBanned                   the user is banned
    ├── UserAlreadyExists            at sign-up
    ├── EmailExists                  at a change of address
    ├── WeakPassword                 context: reasons
    ├── SamePassword                 the new password equals the old one
    ├── AnonymousProviderDisabled    a sign-up without an address
    ├── PhoneProviderDisabled        a sign-up with a phone number
    ├── NoAuthorization              a key or a token is missing, or the key is wrong
    ├── BadJwt                       the access token is invalid or expired
    ├── SessionNotFound              the token is valid, but its session has ended
    ├── RefreshTokenNotFound         the token is unknown
    ├── RefreshTokenAlreadyUsed      the token was used before
    └── OverRequestRateLimit         too many requests from one address; context: retry_after
"""

from typing import ClassVar

from msaas.kernel import ErrorKind, MsaasError


class AuthError(MsaasError):
    kind: ClassVar[ErrorKind] = ErrorKind.INVALID


class ValidationFailed(AuthError):
    code: ClassVar[str] = "validation_failed"


class InvalidCredentials(AuthError):
    code: ClassVar[str] = "invalid_credentials"
    default_message: ClassVar[str] = "Invalid login credentials"


class UserBanned(AuthError):
    code: ClassVar[str] = "user_banned"
    default_message: ClassVar[str] = "User is banned"


class UserAlreadyExists(AuthError):
    code: ClassVar[str] = "user_already_exists"
    kind: ClassVar[ErrorKind] = ErrorKind.UNPROCESSABLE
    default_message: ClassVar[str] = "User already registered"


class EmailExists(AuthError):
    code: ClassVar[str] = "email_exists"
    kind: ClassVar[ErrorKind] = ErrorKind.UNPROCESSABLE
    default_message: ClassVar[str] = "A user with this email address has already been registered"


class WeakPassword(AuthError):
    code: ClassVar[str] = "weak_password"
    kind: ClassVar[ErrorKind] = ErrorKind.UNPROCESSABLE


class SamePassword(AuthError):
    code: ClassVar[str] = "same_password"
    kind: ClassVar[ErrorKind] = ErrorKind.UNPROCESSABLE
    default_message: ClassVar[str] = "New password should be different from the old password."


class AnonymousProviderDisabled(AuthError):
    code: ClassVar[str] = "anonymous_provider_disabled"
    kind: ClassVar[ErrorKind] = ErrorKind.UNPROCESSABLE
    default_message: ClassVar[str] = "Anonymous sign-ins are disabled"


class PhoneProviderDisabled(AuthError):
    code: ClassVar[str] = "phone_provider_disabled"
    default_message: ClassVar[str] = "Phone sign-ins are disabled"


class NoAuthorization(AuthError):
    code: ClassVar[str] = "no_authorization"
    kind: ClassVar[ErrorKind] = ErrorKind.UNAUTHENTICATED
    default_message: ClassVar[str] = "This endpoint requires a valid Bearer token"


class BadJwt(AuthError):
    code: ClassVar[str] = "bad_jwt"
    kind: ClassVar[ErrorKind] = ErrorKind.FORBIDDEN
    default_message: ClassVar[str] = "invalid JWT: unable to parse or verify signature"


class SessionNotFound(AuthError):
    code: ClassVar[str] = "session_not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.FORBIDDEN
    default_message: ClassVar[str] = "Session from session_id claim in JWT does not exist"


class RefreshTokenNotFound(AuthError):
    code: ClassVar[str] = "refresh_token_not_found"
    default_message: ClassVar[str] = "Invalid Refresh Token: Refresh Token Not Found"


class RefreshTokenAlreadyUsed(AuthError):
    code: ClassVar[str] = "refresh_token_already_used"
    default_message: ClassVar[str] = "Invalid Refresh Token: Already Used"


class OverRequestRateLimit(AuthError):
    code: ClassVar[str] = "over_request_rate_limit"
    kind: ClassVar[ErrorKind] = ErrorKind.RATE_LIMITED
    default_message: ClassVar[str] = "Request rate limit reached"
