"""The ports of the fleet on one machine, and the stand-ins that its table of processes lacks."""

from collections.abc import Callable
from dataclasses import dataclass, field

from msaas.contracts import PROCESSES, Process
from msaas.embedded.ports import LOOPBACK
from msaas.local.fleet import choose_port

# The stand-in for Supabase: it uses no Redis, so the table of the fleet's processes lacks it.
IDENTITY = Process(
    name="identity",
    command=("identity", "serve"),
    consumer_group="",
    settings_prefix="IDENTITY_",
    public_port=9999,
    internal_port=9004,
)
# The stand-in for Stripe; a STRIPE_API_KEY replaces it.
STRIPE = Process(
    name="stripe",
    command=("stripe", "serve"),
    consumer_group="",
    settings_prefix="LOCAL_STRIPE_",
    public_port=12111,
    internal_port=12112,
)
# The stand-in for a bucket; a bucket in ARTIFACTS_URL replaces it.
FILE_SERVER = Process(
    name="artifacts",
    command=("file_server",),
    consumer_group="",
    settings_prefix="",
    public_port=8020,
)
_SITE_PORTS = {"dashboard": 3000, "demo-site": 8010}


def _list_ports() -> dict[str, int]:
    """Return each port under its name: a process's own, and `<process>-internal`."""
    ports = dict(_SITE_PORTS)
    for process in (*PROCESSES.values(), IDENTITY, STRIPE, FILE_SERVER):
        declared = {
            process.name: process.public_port,
            internal_name(process): process.internal_port,
        }
        ports |= {name: port for name, port in declared.items() if port is not None}
    return ports


def internal_name(process: Process) -> str:
    return f"{process.name}-internal"


PORTS = _list_ports()


@dataclass
class Ports:
    """The default ports, or free ones where those are taken; a chosen port does not change."""

    notify: Callable[[str], None]
    chosen: dict[str, int] = field(default_factory=dict[str, int])

    def choose(self, *names: str) -> None:
        for name in names:
            if name not in self.chosen:
                self.chosen[name] = choose_port(PORTS[name], name, self.notify)

    def url(self, name: str) -> str:
        return f"http://{LOOPBACK}:{self.chosen.get(name, PORTS[name])}"
