"""Renders what the dev overlay adds to the base: servers, the identity stand-in, local secrets."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msaas.contracts import ACL_USERS, render_acl
from msaas.dev.delivery.compose import POSTGRES, REDIS
from msaas.dev.delivery.compose_values import DATABASE, LOCAL_PASSWORD, database_url, get_value
from msaas.dev.delivery.images import DASHBOARD_PORT, list_images
from msaas.dev.delivery.kubernetes import (
    cluster_service,
    dump_all,
    is_secret,
    render_workload,
    server_pod,
)
from msaas.dev.delivery.network_policies import Manifest, meta
from msaas.dev.delivery.workloads import Variable, list_workloads

IMAGES: Final = Path("deploy/k8s/images.json")
LOCAL: Final = Path("deploy/k8s/overlays/dev/local.yaml")
_INNERMOST: Final = re.compile(r"\$\{[A-Z][A-Z0-9_]*(?::?-([^${}]*))?\}")
_SERVER_SETTINGS: Final = "local-servers"


def render_dev(root: Path) -> dict[Path, str]:
    images, workloads = list_images(root), list_workloads(root)
    identity = next(each for each in workloads if each.name == "identity")
    secrets = [
        _secret(each.name, {name: get_value(each, name) for name in _secrets_of(each.variables)})
        for each in workloads
        if not each.image.is_stand_in or each is identity
    ]
    migrations = [
        _secret(
            f"{image.name}-migrate",
            {
                "DATABASE_URL": database_url("postgres", DATABASE),
                **{f"{login.upper()}_PASSWORD": LOCAL_PASSWORD for login in image.database_logins},
            },
        )
        for image in images
        if image.has_migrations
    ]
    external = [each for each in render_workload(identity) if each["kind"] != "ExternalSecret"]
    return {LOCAL: dump_all([*_servers(root), *external, *secrets, *migrations])}


def render_images(root: Path) -> dict[Path, str]:
    """Render the table of images that the Tiltfile reads."""
    workloads = list_workloads(root)
    table = [
        {
            "name": image.name,
            "tag": image.tag,
            "dockerfile": image.dockerfile,
            "inputs": list(image.units or (image.folder,)),
            "migrates": image.has_migrations,
            "after": list(image.after),
            "workloads": [
                {
                    "name": each.name,
                    "ports": [each.process.public_port or each.process.internal_port],
                }
                for each in workloads
                if each.image.name == image.name
            ]
            or [{"name": image.name, "ports": [DASHBOARD_PORT]}],
        }
        for image in list_images(root)
        if not image.is_stand_in or image.name == "identity"
    ]
    return {IMAGES: json.dumps(table, indent=2) + "\n"}


def _secrets_of(variables: Mapping[str, Variable]) -> list[str]:
    return [each.name for each in variables.values() if is_secret(each)]


def _secret(name: str, values: dict[str, str | None]) -> Manifest:
    given = {key: resolve_defaults(value) for key, value in values.items() if value}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta(name), "stringData": given}


def resolve_defaults(value: str) -> str:
    """Substitute the default of each variable, from the innermost to the outermost."""
    while (after := _INNERMOST.sub(lambda found: found[1] or "", value)) != value:
        value = after
    return value


def _servers(root: Path) -> list[Manifest]:
    digest = hashlib.sha256(LOCAL_PASSWORD.encode()).hexdigest()
    users = render_acl("local", dict.fromkeys(ACL_USERS, digest))
    script = (root / "deploy/compose/postgres/10-identity.sh").read_text()
    files = {"users.acl": users, "10-identity.sh": script}
    environment = {
        "POSTGRES_PASSWORD": LOCAL_PASSWORD,
        "POSTGRES_DB": DATABASE,
        "SVC_IDENTITY_PASSWORD": LOCAL_PASSWORD,
    }
    redis = ["redis-server", "--aclfile", "/etc/msaas/users.acl", "--dir", "/data"]
    redis += ["--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"]
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": meta(_SERVER_SETTINGS),
            "stringData": files,
        },
        _server(
            "postgres", POSTGRES, 5432, "/var/lib/postgresql/data", env=_variables(environment)
        ),
        _server("redis", REDIS, 6379, "/data", command=redis),
        cluster_service("postgres", "server", 5432),
        cluster_service("redis", "server", 6379),
        _open_policy(),
    ]


def _variables(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": key, "value": value} for key, value in values.items()]


def _server(
    name: str, image: str, port: int, data: str, **more: list[str] | list[dict[str, str]]
) -> Manifest:
    mount = {"postgres": "/docker-entrypoint-initdb.d", "redis": "/etc/msaas"}[name]
    volumes: list[Manifest] = [
        {"name": "settings", "secret": {"secretName": _SERVER_SETTINGS}},
        {"name": "data", "emptyDir": {}},
        {"name": "run", "emptyDir": {}},
    ]
    container: Manifest = {
        "name": name,
        "image": image,
        **more,
        "ports": [{"name": "server", "containerPort": port}],
        "readinessProbe": {"tcpSocket": {"port": port}, "periodSeconds": 2},
        "volumeMounts": [
            {"name": "settings", "mountPath": mount, "readOnly": True},
            {"name": "data", "mountPath": data},
            {"name": "run", "mountPath": "/var/run/postgresql"},
        ],
    }
    return server_pod(name, container, volumes)


def _open_policy() -> Manifest:
    """Undo the isolation of the base: a developer's cluster has no ingress and no monitoring."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": meta("local-open"),
        "spec": {
            "podSelector": {},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{}],
            "egress": [{}],
        },
    }
