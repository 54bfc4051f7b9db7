"""Settings of the server that no single request can show."""

from msaas.web.server import HttpServer

IDLE_SECONDS_OF_PROXIES = 60


async def app(_scope: object, _receive: object, _send: object) -> None:
    """Serve nothing."""


def test_an_idle_connection_is_closed_by_its_proxy_first() -> None:
    server = HttpServer(app, drain_seconds=1)
    assert server.config.timeout_keep_alive > IDLE_SECONDS_OF_PROXIES
