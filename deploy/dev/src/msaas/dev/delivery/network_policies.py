"""The network policies of the manifests, and the metadata that all of them have."""

from typing import Any

from msaas.dev.delivery.images import DASHBOARD, Image
from msaas.dev.delivery.workloads import Workload

Manifest = dict[str, Any]


def meta(name: str, **more: object) -> Manifest:
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "micro-saas"}
    return {"name": name, "labels": labels, **more}


def render_network_policy(workload: Workload) -> Manifest:
    """Open the internal port to monitoring, the public one to the ingress; leave by known ports."""
    process = workload.process
    ingress = [
        {
            "from": [select_namespace("monitoring")],
            "ports": [{"protocol": "TCP", "port": process.internal_port}],
        }
    ]
    if process.public_port:
        callers = [
            select_namespace("ingress"),
            {"podSelector": {"matchLabels": {"app.kubernetes.io/name": DASHBOARD}}},
        ]
        ingress.append(
            {"from": callers, "ports": [{"protocol": "TCP", "port": process.public_port}]}
        )
    egress: list[Manifest] = []
    if workload.uses_database:
        egress.append({"ports": [{"protocol": "TCP", "port": port} for port in (5432, 6543)]})
    if workload.uses_redis:
        egress.append({"ports": [{"protocol": "TCP", "port": port} for port in (6379, 6380)]})
    egress.append(allow_outside(workload.image))
    return build_policy(workload.name, ingress, egress)


def allow_outside(image: Image) -> Manifest:
    """Allow the internet over HTTPS, and a browser over HTTP too, but no private address."""
    private = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"]
    ports = (80, 443) if image.needs_user_namespaces else (443,)
    return {
        "to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": private}}],
        "ports": [{"protocol": "TCP", "port": port} for port in ports],
    }


def build_policy(name: str, ingress: list[Manifest], egress: list[Manifest]) -> Manifest:
    names = {
        "to": [_select_named("kube-system")],
        "ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")],
    }
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": meta(name),
        "spec": {
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": name}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": [names, *egress],
        },
    }


def select_namespace(role: str) -> Manifest:
    return {"namespaceSelector": {"matchLabels": {"micro-saas.com/role": role}}}


def _select_named(name: str) -> Manifest:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}
