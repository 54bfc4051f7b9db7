"""The headers of deprecated operations: since when, until when, and the successor."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from email.utils import format_datetime

from msaas.web.asgi import ASGIApp, Message, Receive, Scope, Send, get_route_template


@dataclass(frozen=True, slots=True)
class Deprecation:
    """`successor` is the path of the operation to use instead."""

    since: date
    sunset: date
    successor: str

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of RFC 9745 and RFC 8594."""
        headers = {
            b"deprecation": f"@{int(_midnight(self.since).timestamp())}",
            b"sunset": format_datetime(_midnight(self.sunset), usegmt=True),
            b"link": f'<{self.successor}>; rel="successor-version"',
        }
        return [(name, value.encode()) for name, value in headers.items()]


class Deprecations:
    """Adds the headers to every response of a deprecated operation, to refusals too."""

    def __init__(self, app: ASGIApp, deprecations: Mapping[tuple[str, str], Deprecation]) -> None:
        self._app = app
        self._headers = {
            operation: deprecation.headers for operation, deprecation in deprecations.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = self._headers.get((scope["method"], get_route_template(scope)), ())
                message["headers"] = [*message.get("headers", ()), *headers]
            await send(message)

        await self._app(scope, receive, add)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
