"""The errors of the API, under the codes of Supabase Auth: MsaasError > AuthError > all others."""

from msaas.kernel import ErrorKind, MsaasError


class AuthError(MsaasError):
    """An error whose class names its code, its kind, and the message that it has by default."""

    @classmethod
    def __init_subclass__(
        cls, code: str, message: str = "", kind: ErrorKind = ErrorKind.INVALID
    ) -> None:
        cls.code, cls.default_message, cls.kind = code, message, kind


class ValidationFailed(AuthError, code="validation_failed"):
    """The request is malformed."""


class InvalidCredentials(
    AuthError, code="invalid_credentials", message="Invalid login credentials"
):
    """The user is unknown or the password is wrong; it never says which."""


class UserBanned(AuthError, code="user_banned", message="User is banned"):
    """The user is banned."""


class UserAlreadyExists(
    AuthError,
    code="user_already_exists",
    message="User already registered",
    kind=ErrorKind.UNPROCESSABLE,
):
    """The address of a sign-up is taken."""


class EmailExists(
    AuthError,
    code="email_exists",
    message="A user with this email address has already been registered",
    kind=ErrorKind.UNPROCESSABLE,
):
    """The new address of a user is taken."""


class WeakPassword(AuthError, code="weak_password", kind=ErrorKind.UNPROCESSABLE):
    """The password is too weak; context: reasons."""


class SamePassword(
    AuthError,
    code="same_password",
    message="New password should be different from the old password.",
    kind=ErrorKind.UNPROCESSABLE,
):
    """The new password equals the old one."""


class AnonymousProviderDisabled(
    AuthError,
    code="anonymous_provider_disabled",
    message="Anonymous sign-ins are disabled",
    kind=ErrorKind.UNPROCESSABLE,
):
    """A sign-up has no address."""


class PhoneProviderDisabled(
    AuthError, code="phone_provider_disabled", message="Phone sign-ins are disabled"
):
    """A sign-up has a phone number."""


class NoAuthorization(
    AuthError,
    code="no_authorization",
    message="This endpoint requires a valid Bearer token",
    kind=ErrorKind.UNAUTHENTICATED,
):
    """A key or a token is missing, or the key is wrong."""


class BadJwt(
    AuthError,
    code="bad_jwt",
    message="invalid JWT: unable to parse or verify signature",
    kind=ErrorKind.FORBIDDEN,
):
    """The access token is invalid or expired."""


class SessionNotFound(
    AuthError,
    code="session_not_found",
    message="Session from session_id claim in JWT does not exist",
    kind=ErrorKind.FORBIDDEN,
):
    """The token is valid, but its session has ended."""


class RefreshTokenNotFound(
    AuthError,
    code="refresh_token_not_found",
    message="Invalid Refresh Token: Refresh Token Not Found",
):
    """The refresh token is unknown."""


class RefreshTokenAlreadyUsed(
    AuthError,
    code="refresh_token_already_used",
    message="Invalid Refresh Token: Already Used",
):
    """The refresh token was used before."""


class OtpExpired(
    AuthError,
    code="otp_expired",
    message="Token has expired or is invalid",
    kind=ErrorKind.FORBIDDEN,
):
    """A link or a code is unknown, used or expired; it never says which."""


class OtpDisabled(
    AuthError,
    code="otp_disabled",
    message="Signups not allowed for otp",
    kind=ErrorKind.UNPROCESSABLE,
):
    """The address is unknown, and the client asked for no new user."""


class FlowStateNotFound(
    AuthError,
    code="flow_state_not_found",
    message="invalid flow state, no valid flow state found",
    kind=ErrorKind.NOT_FOUND,
):
    """The code of a PKCE flow is unknown or was used."""


class FlowStateExpired(
    AuthError,
    code="flow_state_expired",
    message="invalid flow state, flow state has expired",
    kind=ErrorKind.FORBIDDEN,
):
    """The code of a PKCE flow is too old."""


class BadCodeVerifier(
    AuthError,
    code="bad_code_verifier",
    message="code challenge does not match previously saved code verifier",
):
    """The client did not begin this PKCE flow."""


class NotOffered(
    AuthError, code="not_admin", message="Not offered to other sites", kind=ErrorKind.FORBIDDEN
):
    """A page of another site asked for the outbox."""


class OverRequestRateLimit(
    AuthError,
    code="over_request_rate_limit",
    message="Request rate limit reached",
    kind=ErrorKind.RATE_LIMITED,
):
    """One address has sent too many requests; context: retry_after."""
