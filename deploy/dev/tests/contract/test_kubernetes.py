"""The Kubernetes manifests agree with processes and settings, and their pods are restricted."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from msaas.dev.delivery import list_images, list_workloads
from msaas.dev.delivery.kubernetes import is_secret
from msaas.dev.delivery.workloads import find_settings
from msaas.dev.workspace import ROOT
from msaas.settings import load_settings

FOLDER = ROOT / "deploy/k8s"
OVERLAYS = ("dev", "staging", "production")
WORKLOADS = {each.name: each for each in list_workloads(ROOT) if not each.image.is_stand_in}
IMAGES = {each.name: each for each in list_images(ROOT) if not each.is_stand_in}
# A value of the right form for each secret that a cluster's store would hold.
SECRETS = {
    "DATABASE_URL": "postgresql://svc:f3a9@db.example.com/app?sslmode=verify-full",
    "REDIS_URL": "rediss://svc:f3a9@redis.example.com:6380/0",
    "BILLING_PROOF_KEY": "f3a9" * 16,
}


@cache
def read(path: Path) -> list[Any]:
    return [document for document in yaml.load_all(path.read_text(), yaml.CSafeLoader) if document]


def read_all(*patterns: str) -> Iterator[Any]:
    for pattern in patterns:
        for path in sorted(FOLDER.glob(pattern)):
            yield from read(path)


def select(kind: str, *patterns: str) -> dict[str, Any]:
    found = read_all(*patterns or ("base/*/*.yaml",))
    return {each["metadata"]["name"]: each for each in found if each["kind"] == kind}


def pods() -> dict[str, Any]:
    templates = {
        **select("Deployment"),
        **select("Job"),
        **select("Deployment", "overlays/dev/*.yaml"),
    }
    return {name: each["spec"]["template"]["spec"] for name, each in templates.items()}


def test_each_process_has_a_deployment_with_its_image_and_ports() -> None:
    deployments = select("Deployment")
    assert deployments.keys() == WORKLOADS.keys() | {"frontend"}
    for name, workload in WORKLOADS.items():
        (container,) = deployments[name]["spec"]["template"]["spec"]["containers"]
        assert container["image"] == f"{workload.image.tag}:{workload.image.version}"
        assert container["args"] == list(workload.process.command[1:])
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert ports.get("http") == workload.process.public_port
        assert ports["internal"] == workload.process.internal_port
        assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"
        assert name in select("PodDisruptionBudget")
        assert name in select("NetworkPolicy")
    migrating = {f"{image.name}-migrate" for image in IMAGES.values() if image.has_migrations}
    assert select("Job").keys() == migrating


@pytest.mark.parametrize("name", pods())
def test_a_pod_is_restricted(name: str) -> None:
    pod = pods()[name]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["seccompProfile"]["type"] in {"RuntimeDefault", "Localhost"}
    for container in pod["containers"]:
        rights = container["securityContext"]
        assert rights["runAsNonRoot"]
        assert rights["readOnlyRootFilesystem"]
        assert not rights["allowPrivilegeEscalation"]
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("overlay", ["staging", "production"])
@pytest.mark.parametrize("name", WORKLOADS)
def test_the_settings_of_an_overlay_are_valid(name: str, overlay: str) -> None:
    workload = WORKLOADS[name]
    lines = (FOLDER / "overlays" / overlay / "fleet.properties").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines)
    entries = select("ExternalSecret")[name]["spec"]["data"]
    held = {entry["secretKey"] for entry in entries}
    assert held == {each.name for each in workload.variables.values() if is_secret(each)}
    given |= {key: SECRETS.get(key, SECRETS["DATABASE_URL"]) for key in held}
    given |= {key: f"value-of-{key}" for key in held if not key.endswith(("_URL", "PROOF_KEY"))}
    settings = load_settings(find_settings(workload.process), given)
    assert str(settings.environment) == overlay


def test_no_secret_is_in_the_plain_settings_of_a_cluster() -> None:
    secret = {
        variable.name
        for workload in WORKLOADS.values()
        for variable in workload.variables.values()
        if variable.is_secret
    }
    for overlay in OVERLAYS:
        text = (FOLDER / "overlays" / overlay / "fleet.properties").read_text()
        assert not secret & set(re.findall(r"(?m)^(\w+)=", text))


def test_the_scale_of_workers_follows_our_own_lag_and_never_reaches_zero() -> None:
    scaled = select("ScaledObject")
    assert {"jobs-worker", "browser-worker"} <= scaled.keys()
    for each in scaled.values():
        assert each["spec"]["minReplicaCount"] == 1
        (trigger,) = each["spec"]["triggers"]
        assert trigger["type"] == "prometheus"
        assert "msaas_topic_lag" in trigger["metadata"]["query"]


def test_the_edge_streams_and_only_it_and_the_dashboard_are_reachable() -> None:
    ingresses = select("Ingress")
    backends = {
        path["backend"]["service"]["name"]
        for each in ingresses.values()
        for rule in each["spec"]["rules"]
        for path in rule["http"]["paths"]
    }
    assert backends == {"gateway", "frontend"}
    for each in ingresses.values():
        assert (
            each["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-buffering"] == "off"
        )
    for name, service in select("Service").items():
        expected = WORKLOADS[name].process.public_port if name in WORKLOADS else 3000
        assert [port["port"] for port in service["spec"]["ports"]] == [expected]
