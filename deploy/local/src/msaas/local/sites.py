"""Small local sites, each served from its own thread."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import ClassVar, Final, Self

from msaas.embedded.ports import LOOPBACK


class LocalSite:
    """Listens from construction on; the context manager serves."""

    handler: ClassVar[type[BaseHTTPRequestHandler]]

    def __init__(self, host: str = LOOPBACK, port: int = 0) -> None:
        self.server: Final = ThreadingHTTPServer((host, port), self.handler)
        self.server.daemon_threads = True
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    @property
    def address(self) -> str:
        """Host and port, as allowed hosts are written."""
        host, port = self.server.server_address[:2]
        return f"{host!s}:{port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()
