"""The proxy's side of SOCKS5, RFC 1928: no authentication, CONNECT only."""

from asyncio import StreamReader, StreamWriter
from ipaddress import ip_address
from typing import Final

SUCCEEDED: Final = 0
NOT_ALLOWED: Final = 2
REFUSED: Final = 5

_VERSION: Final = 5
_CONNECT: Final = 1
_IPV4, _NAME, _IPV6 = 1, 3, 4


async def read_request(reader: StreamReader, writer: StreamWriter) -> tuple[str, int]:
    """Answer the greeting and return the requested host and port."""
    version, methods = await reader.readexactly(2)
    await reader.readexactly(methods)
    if version != _VERSION:
        raise ValueError("not a SOCKS5 greeting")
    writer.write(bytes((_VERSION, 0)))
    version, command, _, kind = await reader.readexactly(4)
    if (version, command) != (_VERSION, _CONNECT):
        raise ValueError("not a CONNECT command")
    return await _read_host(reader, kind), int.from_bytes(await reader.readexactly(2))


async def _read_host(reader: StreamReader, kind: int) -> str:
    if kind == _NAME:
        [length] = await reader.readexactly(1)
        name = (await reader.readexactly(length)).decode("ascii")
        if not name.isprintable():  # a resolver would take a NUL for the end
            raise ValueError("a control character in a name")
        return name
    if kind in {_IPV4, _IPV6}:
        return str(ip_address(await reader.readexactly(4 if kind == _IPV4 else 16)))
    raise ValueError("unknown address type")


def reply(code: int) -> bytes:
    return bytes((_VERSION, code, 0, _IPV4, 0, 0, 0, 0, 0, 0))
