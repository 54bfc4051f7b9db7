"""The errors of the API, each with the fields that Stripe's clients read."""

from collections.abc import Mapping
from typing import Final

INVALID_REQUEST: Final = "invalid_request_error"
CARD: Final = "card_error"
IDEMPOTENCY: Final = "idempotency_error"
API: Final = "api_error"

_STATUS_NOT_FOUND: Final = 404
_STATUS_PAYMENT_REQUIRED: Final = 402
_STATUS_RATE_LIMITED: Final = 429


class ApiError(Exception):
    """A refused request; `keeps_changes` commits what the refused call did (a declined payment)."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        error_type: str = INVALID_REQUEST,
        code: str | None = None,
        param: str | None = None,
        keeps_changes: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.error_type = error_type
        self.code = code
        self.param = param
        self.keeps_changes = keeps_changes

    def body(self) -> Mapping[str, object]:
        fields = {
            "type": self.error_type,
            "message": self.message,
            "code": self.code,
            "param": self.param,
        }
        return {"error": {name: value for name, value in fields.items() if value is not None}}


def missing(kind: str, identifier: str, param: str = "id") -> ApiError:
    return ApiError(
        f"No such {kind}: '{identifier}'",
        status=_STATUS_NOT_FOUND,
        code="resource_missing",
        param=param,
    )


def declined(message: str, *, code: str = "card_declined", keeps_changes: bool) -> ApiError:
    return ApiError(
        message,
        status=_STATUS_PAYMENT_REQUIRED,
        error_type=CARD,
        code=code,
        keeps_changes=keeps_changes,
    )


def rate_limited() -> ApiError:
    return ApiError(
        "Request rate limit exceeded.",
        status=_STATUS_RATE_LIMITED,
        code="rate_limit",
    )


def check_url(url: str, param: str) -> None:
    if not url.startswith(("http:", "https:")):
        raise ApiError(
            "Invalid URL: An explicit scheme (such as https) must be provided.",
            code="url_invalid",
            param=param,
        )
