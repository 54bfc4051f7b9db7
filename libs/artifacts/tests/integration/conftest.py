"""A real bucket, which refuses unsigned requests."""

import json
import signal
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from itertools import chain
from pathlib import Path
from typing import ClassVar

import pytest

from msaas.artifacts import StoreLocation
from msaas.embedded.ports import LOOPBACK, find_free_port
from msaas.embedded.process import EmbeddedServer, die_with_parent_command

KEY_ID, SECRET = "fleet", "the fleet's secret"
PARTS = ("master", "volume", "filer", "s3")


class SeaweedServer(EmbeddedServer):
    """SeaweedFS: four parts in one process, each with a port for HTTP and one for gRPC."""

    name: ClassVar[str] = "seaweedfs"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, port=0, config={})
        self._ports = {part: (find_free_port(), find_free_port()) for part in PARTS}
        self.port, _ = self._ports["s3"]

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def prepare(self) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        credentials = [{"accessKey": KEY_ID, "secretKey": SECRET}]
        fleet = {"name": "fleet", "credentials": credentials, "actions": ["Admin"]}
        (self.folder / "s3.json").write_text(json.dumps({"identities": [fleet]}))

    def command(self) -> list[str]:
        options = {
            **{f"{part}.port": str(http) for part, (http, _) in self._ports.items()},
            **{f"{part}.port.grpc": str(grpc) for part, (_, grpc) in self._ports.items()},
            **dict.fromkeys(("ip", "ip.bind"), LOOPBACK),
            **dict.fromkeys(("s3.port.iceberg", "s3.port.lance"), "0"),
            **{f"{part}.localSocket": f"{self.folder}/{part}.sock" for part in ("filer", "s3")},
            "dir": str(self.folder),
            "s3.config": f"{self.folder}/s3.json",
        }
        arguments = chain.from_iterable((f"-{name}", value) for name, value in options.items())
        weed = Path(sys.executable).with_name("weed")
        return die_with_parent_command([str(weed), "server", "-s3", *arguments], self.stop_signal)

    def stop(self, timeout: float = 10.0) -> None:
        super().stop(timeout)
        for part, (_, grpc) in self._ports.items():  # SeaweedFS does not remove them
            Path(f"/tmp/seaweedfs-{part}-grpc-{grpc}.sock").unlink(missing_ok=True)  # noqa: S108

    def _is_serving(self, pid: int) -> bool:
        connection = HTTPConnection(LOOPBACK, self.port, timeout=1)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == 403  # for an unsigned request
        except OSError:
            return False
        finally:
            connection.close()


@pytest.fixture(scope="session")
def bucket_location(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreLocation]:
    server = SeaweedServer(tmp_path_factory.mktemp("bucket"))
    server.start(timeout=60)
    yield StoreLocation(
        url="s3://artifacts/kept",
        endpoint=server.url,
        region="us-east-1",
        key_id=KEY_ID,
        secret=SECRET,
    )
    server.stop()
