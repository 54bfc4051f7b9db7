"""Renders docker-compose.yaml: one machine, the whole fleet, from the tables of the fleet."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from msaas.contracts import ACL_USERS
from msaas.dev.delivery.compose_values import (
    DASHBOARD_VALUES,
    DATABASE,
    LOCAL_PASSWORD,
    database_url,
    get_value,
    redis_password_variable,
)
from msaas.dev.delivery.dockerfiles import TEMPLATES, list_arguments
from msaas.dev.delivery.images import DASHBOARD, DASHBOARD_PORT, Image, list_images
from msaas.dev.delivery.workloads import Workload, list_workloads

HEADER: Final = (TEMPLATES / "compose.txt").read_text()
POSTGRES: Final = "postgres:17-bookworm"
REDIS: Final = "redis:7.4-bookworm"
PROMETHEUS: Final = "prom/prometheus:v2.42.0"
_LOGGING: Final = {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}
_GRACE: Final = "35s"  # longer than a worker takes to end its runs
_HEALTHY: Final = {"condition": "service_healthy"}
_COMPLETED: Final = {"condition": "service_completed_successfully"}
_PROFILES: Final = {"stripe": "local-stripe", "agents": "agents"}

TMP: Final = "/tmp:mode=1777,size=64m"  # noqa: S108  # a mount of the container's own
Service = dict[str, Any]


def render_compose(root: Path) -> str:
    images, workloads = list_images(root), list_workloads(root)
    services = {
        "postgres": _postgres(),
        "redis": _redis(),
        **{f"migrate-{image.name}": _migrate(image) for image in images if image.has_migrations},
        **{workload.name: _process(workload, workloads) for workload in workloads},
        DASHBOARD: _dashboard(images[-1]),
        "catalogue": _catalogue(next(each for each in workloads if each.name == "billing")),
        "auth-cron": _auth_cron(next(each for each in workloads if each.name == "identity")),
        "prometheus": _prometheus(),
    }
    volumes = ["postgres", "redis", *(each.name for each in images if each.data), "prometheus"]
    document: Service = {
        "name": "micro-saas",
        "services": services,
        # The two inner networks have no way out: what calls the internet is in `outside` too.
        "networks": {"database": {"internal": True}, "broker": {"internal": True}, "outside": {}},
        "volumes": {name: {} for name in volumes},
    }
    return HEADER + dump_yaml(document)


def render_prometheus(root: Path) -> str:
    """Render what Prometheus scrapes under Compose: the internal port of each process."""
    jobs = [
        {
            "job_name": each.name,
            "dns_sd_configs": [
                {"names": [each.name], "type": "A", "port": each.process.internal_port}
            ],
        }
        for each in list_workloads(root)
        if each.process.internal_port and not each.image.is_stand_in
    ]
    document = {"global": {"scrape_interval": "15s"}, "scrape_configs": jobs}
    return "# Made by `./msaas images --write`.\n" + dump_yaml(document)


class YamlDumper(yaml.SafeDumper):
    """Writes equal parts out each time: a reader of one service needs no other."""

    def ignore_aliases(self, data: object) -> bool:
        del data
        return True


def dump_yaml(document: object) -> str:
    return yaml.dump(document, Dumper=YamlDumper, sort_keys=False, width=200)


def _hardened(user: str | None = None) -> Service:
    """Return what every container has: no capability, no writable root, no way to gain rights."""
    return {
        **({"user": user} if user else {}),
        "restart": "unless-stopped",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "tmpfs": [TMP],
        "logging": _LOGGING,
    }


def _limits(memory_mb: int, cpus: float = 1.0, pids: int = 200) -> Service:
    return {"mem_limit": f"{memory_mb}m", "cpus": cpus, "pids_limit": pids}


def _server_check(command: str) -> Service:
    return {"test": ["CMD-SHELL", command], "interval": "3s", "timeout": "5s", "retries": 40}


def _postgres() -> Service:
    return {
        "image": POSTGRES,
        **_hardened("999:999"),
        **_limits(1024),
        "tmpfs": [TMP, "/var/run/postgresql:mode=1777,size=1m"],
        "shm_size": "128m",
        "command": ["postgres", "-c", "max_connections=200"],
        "environment": {
            "POSTGRES_PASSWORD": f"${{POSTGRES_PASSWORD:-{LOCAL_PASSWORD}}}",
            "POSTGRES_DB": DATABASE,
            "SVC_IDENTITY_PASSWORD": f"${{SVC_IDENTITY_PASSWORD:-{LOCAL_PASSWORD}}}",
        },
        "volumes": [
            "postgres:/var/lib/postgresql/data",
            "./deploy/compose/postgres:/docker-entrypoint-initdb.d:ro",
        ],
        "networks": ["database"],
        "healthcheck": _server_check(f"pg_isready -q -h 127.0.0.1 -U postgres -d {DATABASE}"),
        "stop_grace_period": _GRACE,
    }


def _redis() -> Service:
    passwords = {
        redis_password_variable(user): f"${{{redis_password_variable(user)}:-{LOCAL_PASSWORD}}}"
        for user in ACL_USERS
        if user != "intake"
    }
    ping = 'REDISCLI_AUTH="$$REDIS_OPERATOR_PASSWORD" redis-cli --user operator ping | grep -q PONG'
    return {
        "image": REDIS,
        **_hardened("999:999"),
        **_limits(512),
        "command": ["sh", "/etc/msaas/start.sh"],
        "environment": passwords,
        "volumes": [
            "redis:/data",
            "./deploy/compose/redis/start.sh:/etc/msaas/start.sh:ro",
            "./contracts/redis/users.acl:/etc/msaas/users.acl:ro",
        ],
        "networks": ["broker"],
        "healthcheck": _server_check(ping),
        "stop_grace_period": _GRACE,
    }


def _build(image: Image) -> Service:
    return {
        "image": f"{image.tag}:${{MSAAS_VERSION:-{image.version}}}",
        "build": {"context": ".", "dockerfile": image.dockerfile},
    }


def _migrate(image: Image) -> Service:
    """Build the one-shot container that upgrades one owner's schema before its service starts."""
    passwords = {
        f"{login.upper()}_PASSWORD": f"${{{login.upper()}_PASSWORD:-{LOCAL_PASSWORD}}}"
        for login in image.database_logins
    }
    admin = database_url("postgres", DATABASE)
    return {
        **_build(image),
        **_hardened(),
        **_limits(256),
        "restart": "no",
        "command": ["migrate"],
        "environment": {
            "ENVIRONMENT": "${ENVIRONMENT:-local}",
            "DATABASE_URL": admin,
            **passwords,
        },
        "networks": ["database"],
        "depends_on": {
            "postgres": _HEALTHY,
            **{f"migrate-{owner}": _COMPLETED for owner in image.after},
        },
    }


def _process(workload: Workload, workloads: Iterable[Workload]) -> Service:
    image, process = workload.image, workload.process
    service = {
        **_build(image),
        **_hardened(),
        **_limits(image.memory_mb),
        "command": list_arguments(image, process),
        "environment": {name: get_value(workload, name) for name in workload.variables},
        "networks": _networks(workload),
        "stop_grace_period": _GRACE,
        "depends_on": _needs(workload, workloads),
    }
    if process.public_port:
        service["ports"] = [_published(process.name, process.public_port)]
    if volumes := _volumes(workload):
        service["volumes"] = volumes
    if image.needs_user_namespaces:
        service |= {
            **_limits(image.memory_mb, pids=1000),
            "security_opt": [
                "no-new-privileges:true",
                "seccomp=./deploy/compose/browser-seccomp.json",
            ],
            "shm_size": "256m",
            "init": True,
        }
    if profile := _PROFILES.get(process.name):
        service["profiles"] = [profile]
    return service


def _published(name: str, port: int) -> str:
    return f"127.0.0.1:${{PUBLISH_{name.upper()}:-{port}}}:{port}"


def _networks(workload: Workload) -> list[str]:
    named = {"database": workload.uses_database, "broker": workload.uses_redis, "outside": True}
    return [name for name, is_used in named.items() if is_used]


def _volumes(workload: Workload) -> list[str]:
    """Mount a process's own folder, and the file server's where files are signed."""
    if workload.image.data:
        return [f"{workload.image.name}:{workload.image.data}"]
    return ["file-server:/artifacts"] if "ARTIFACTS_URL" in workload.variables else []


def _needs(workload: Workload, workloads: Iterable[Workload]) -> Mapping[str, Service]:
    """Wait for what a process cannot start without; a service's own migration is complete."""
    needs: dict[str, Service] = {}
    if workload.uses_database:
        needs["postgres"] = _HEALTHY
    if workload.uses_redis:
        needs["redis"] = _HEALTHY
    if workload.uses_database and workload.image.has_migrations:
        needs[f"migrate-{workload.image.name}"] = _COMPLETED
    if "ARTIFACTS_URL" in workload.variables:  # the first to mount the volume sets its owner
        needs |= {each.name: _HEALTHY for each in workloads if each.name == "artifacts"}
    if workload.name == "billing-cron":  # `up --wait` knows by this that the catalogue ends
        needs["catalogue"] = {**_COMPLETED, "required": False}
    return needs


def _dashboard(image: Image) -> Service:
    return {
        **_build(image),
        **_hardened(),
        **_limits(512),
        "tmpfs": [TMP, "/app/.next/cache:mode=1777,size=64m"],
        "environment": dict(DASHBOARD_VALUES),
        "networks": ["outside"],
        "ports": [_published(DASHBOARD, DASHBOARD_PORT)],
        "depends_on": {"gateway": _HEALTHY},
        "stop_grace_period": _GRACE,
    }


def _catalogue(billing: Workload) -> Service:
    """Build the one-shot container that tells the stand-in what is sold, and where webhooks go."""
    webhooks = "http://gateway:8000/api/v1/billing/webhooks"
    service = _process(billing, [])
    needed = ("ENVIRONMENT", "DATABASE_URL", "STRIPE_API_KEY", "BILLING_STRIPE_URL")
    return {
        **service,
        "environment": {name: service["environment"][name] for name in needed},
        "restart": "no",
        "command": ["setup", "--webhook-url", webhooks],
        "depends_on": {
            "stripe": _HEALTHY,
            "gateway": _HEALTHY,
            "migrate-billing": _COMPLETED,
        },
        "profiles": ["local-stripe"],
    }


def _auth_cron(identity: Workload) -> Service:
    """Build the one-shot container that an operator's timer starts to rotate the signing keys."""
    return {
        **{key: value for key, value in _process(identity, []).items() if key != "ports"},
        "restart": "no",
        "command": ["rotate-keys"],
        "depends_on": {"identity": _HEALTHY},
        "profiles": ["auth"],
    }


def _prometheus() -> Service:
    return {
        "image": PROMETHEUS,
        **_hardened("65534:65534"),
        **_limits(512),
        "volumes": [
            "./deploy/compose/prometheus.yml:/etc/prometheus/prometheus.yml:ro",
            "prometheus:/prometheus",
        ],
        "networks": ["outside"],
        "ports": [_published("prometheus", 9090)],
        "profiles": ["observability"],
    }
