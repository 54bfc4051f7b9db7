"""Renders deploy/k8s/base: for each service of the fleet, what runs it on Kubernetes.

The stand-ins are left out: a cluster uses Supabase, Stripe and a bucket.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import yaml

from msaas.contracts import TOPICS, TopicKind
from msaas.dev.delivery.compose import YamlDumper
from msaas.dev.delivery.images import DASHBOARD, DASHBOARD_PORT, Image, list_images
from msaas.dev.delivery.network_policies import (
    Manifest,
    allow_outside,
    build_policy,
    meta,
    render_network_policy,
    select_namespace,
)
from msaas.dev.delivery.workloads import Variable, Workload, list_workloads

HEADER: Final = "# Made by `./msaas images --write`.\n"
BASE: Final = Path("deploy/k8s/base")
CONFIG: Final = "fleet"
MIN_REPLICAS: Final = {"gateway": 2, "jobs": 2, DASHBOARD: 2}
MAX_REPLICAS: Final = 20
# The engine's default profile refuses user namespaces; this one has to be installed on the nodes.
BROWSER_PROFILE: Final = "profiles/msaas-browser.json"
_TEMPORARY: Final = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108  # a mount of its own
_ALWAYS_SECRET: Final = frozenset({"ARTIFACTS_SECRET"})
_NEVER_SECRET: Final = frozenset({"ARTIFACTS_LINK_KEY"})  # a bucket signs its own links


def render_kubernetes(root: Path) -> dict[Path, str]:
    """Return the manifests of each service in a folder of its own, and what lists them."""
    images = [image for image in list_images(root) if not image.is_stand_in]
    workloads = [each for each in list_workloads(root) if not each.image.is_stand_in]
    files = {BASE / "kustomization.yaml": _kustomization(["fleet", *(i.name for i in images)])}
    for image in images:
        own = [each for each in workloads if each.image.name == image.name]
        documents = _dashboard(image) if image.name == DASHBOARD else _service(image, own)
        folder = BASE / image.name
        files[folder / "kustomization.yaml"] = _kustomization(["resources.yaml"])
        files[folder / "resources.yaml"] = dump_all(documents)
    return files


def _kustomization(resources: list[str]) -> str:
    document = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": resources,
    }
    return dump_all([document])


def dump_all(documents: Iterable[Manifest]) -> str:
    return HEADER + yaml.dump_all(documents, Dumper=YamlDumper, sort_keys=False, width=160)


def _service(image: Image, workloads: list[Workload]) -> list[Manifest]:
    documents = [document for each in workloads for document in render_workload(each)]
    if image.has_migrations:
        documents += [_migration(image), _external_secret(f"{image.name}-migrate", _admin(image))]
    return documents


def render_workload(workload: Workload) -> list[Manifest]:
    name, process = workload.name, workload.process
    container = _container(workload.image, args=list(process.command[1:]))
    container |= {
        "env": [{"name": process.internal_port_variable, "value": str(process.internal_port)}],
        "envFrom": [
            {"configMapRef": {"name": CONFIG}},
            {"secretRef": {"name": name}},
        ],
        "ports": [
            *(
                [{"name": "http", "containerPort": process.public_port}]
                if process.public_port
                else []
            ),
            {"name": "internal", "containerPort": process.internal_port},
        ],
        **_probes("internal"),
    }
    secrets = [each.name for each in workload.variables.values() if is_secret(each)]
    documents = [
        _account(name),
        _deployment(name, workload.image, container),
        _disruption_budget(name),
        render_network_policy(workload),
        _external_secret(name, secrets),
        *([cluster_service(name, "http", process.public_port)] if process.public_port else []),
    ]
    if scaled := _scaled_object(workload):
        documents.append(scaled)
    return documents


def is_secret(variable: Variable) -> bool:
    """Return whether a cluster's secret store has to hold it."""
    if variable.name in _NEVER_SECRET or not variable.is_secret:
        return False
    is_needed = variable.is_required or variable.local_default is not None
    return is_needed or variable.name in _ALWAYS_SECRET


def _admin(image: Image) -> list[str]:
    return ["DATABASE_URL", *(f"{login.upper()}_PASSWORD" for login in image.database_logins)]


def _account(name: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": meta(name),
        "automountServiceAccountToken": False,
    }


def _container(image: Image, args: list[str]) -> Manifest:
    return {
        "name": image.name,
        "image": f"{image.tag}:{image.version}",
        "imagePullPolicy": "IfNotPresent",
        **({"args": args} if args else {}),
        "resources": {
            "requests": {"cpu": "250m", "memory": f"{image.memory_mb // 2}Mi"},
            "limits": {"cpu": "1", "memory": f"{image.memory_mb}Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [_TEMPORARY],
    }


def _probes(port: str, live: str = "/health/live", ready: str = "/health/ready") -> Manifest:
    return {
        "startupProbe": {
            "httpGet": {"path": live, "port": port},
            "periodSeconds": 2,
            "failureThreshold": 60,
        },
        "livenessProbe": {
            "httpGet": {"path": live, "port": port},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
        },
        "readinessProbe": {
            "httpGet": {"path": ready, "port": port},
            "periodSeconds": 5,
            "timeoutSeconds": 3,
        },
    }


def _pod(image: Image, account: str, container: Manifest) -> Manifest:
    profile: Manifest = {"type": "RuntimeDefault"}
    volumes: list[Manifest] = [{"name": "tmp", "emptyDir": {"sizeLimit": "128Mi"}}]
    if image.needs_user_namespaces:
        profile = {"type": "Localhost", "localhostProfile": BROWSER_PROFILE}
        volumes.append({"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "256Mi"}})
        shared = {"name": "shm", "mountPath": "/dev/shm"}  # noqa: S108  # see above
        container = {**container, "volumeMounts": [*container["volumeMounts"], shared]}
    return {
        "serviceAccountName": account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # they would be variables with the prefix of a service
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "fsGroup": 10001,
            "seccompProfile": profile,
        },
        "terminationGracePeriodSeconds": 40,
        "containers": [container],
        "volumes": volumes,
    }


def _deployment(name: str, image: Image, container: Manifest) -> Manifest:
    selector = {"matchLabels": {"app.kubernetes.io/name": name}}
    pod = _pod(image, name, container)
    pod["topologySpreadConstraints"] = [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": selector,
        }
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta(name),
        "spec": {
            "replicas": MIN_REPLICAS.get(name, 1),
            "revisionHistoryLimit": 5,
            "selector": selector,
            "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {"metadata": {"labels": meta(name)["labels"]}, "spec": pod},
        },
    }


def server_pod(name: str, container: Manifest, volumes: list[Manifest]) -> Manifest:
    """Build a server of a developer's cluster, with the rights that every pod has."""
    user = {"runAsUser": 999, "runAsGroup": 999}
    rights = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        **user,
    }
    resources = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}
    mounts = [*container["volumeMounts"], _TEMPORARY]
    container = {
        **container,
        "securityContext": rights,
        "resources": resources,
        "volumeMounts": mounts,
    }
    seccomp = {"type": "RuntimeDefault"}
    labels = meta(name)["labels"]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta(name),
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "automountServiceAccountToken": False,
                    "securityContext": {**user, "fsGroup": 999, "seccompProfile": seccomp},
                    "containers": [container],
                    "volumes": [*volumes, {"name": "tmp", "emptyDir": {}}],
                },
            },
        },
    }


def _disruption_budget(name: str) -> Manifest:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": meta(name),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
        },
    }


def cluster_service(name: str, port: str, number: int) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta(name),
        "spec": {
            "selector": {"app.kubernetes.io/name": name},
            "ports": [{"name": port, "port": number, "targetPort": port}],
        },
    }


def _external_secret(name: str, keys: list[str]) -> Manifest:
    """Take each secret from the store that the overlay names, one entry for each process."""
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": meta(name),
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": {"kind": "ClusterSecretStore", "name": CONFIG},
            "target": {"name": name},
            "data": [
                {"secretKey": key, "remoteRef": {"key": f"micro-saas/{name}", "property": key}}
                for key in keys
            ],
        },
    }


def _scaled_object(workload: Workload) -> Manifest | None:
    """Scale by our own lag: a trigger on the stream itself would wake at two messages only."""
    topics = [
        topic.name
        for topic in TOPICS.values()
        if topic.kind is TopicKind.WORK
        and workload.name in topic.consumers
        and not workload.uses_database
    ]
    if not topics:
        return None
    named = "|".join(topics)
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": meta(workload.name),
        "spec": {
            "scaleTargetRef": {"name": workload.name},
            "minReplicaCount": 1,
            "maxReplicaCount": MAX_REPLICAS,
            "cooldownPeriod": 300,
            "triggers": [
                {
                    "type": "prometheus",
                    "metadata": {
                        "serverAddress": "http://prometheus.monitoring.svc:9090",
                        "query": f'sum(max by (topic) (msaas_topic_lag{{topic=~"{named}"}}))',
                        "threshold": "20",
                    },
                }
            ],
        },
    }


def _migration(image: Image) -> Manifest:
    """Build the job that runs before a release; the order of a first install comes by retries."""
    name = f"{image.name}-migrate"
    container = {
        **_container(image, ["migrate"]),
        "envFrom": [{"configMapRef": {"name": CONFIG}}, {"secretRef": {"name": name}}],
    }
    pod = {**_pod(image, image.processes[0].name, container), "restartPolicy": "Never"}
    waves = {
        "argocd.argoproj.io/hook": "PreSync",
        "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation",
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": meta(name, annotations=waves),
        "spec": {
            "backoffLimit": 6,
            "activeDeadlineSeconds": 1800,
            "ttlSecondsAfterFinished": 600,
            "template": {"metadata": {"labels": meta(name)["labels"]}, "spec": pod},
        },
    }


def _dashboard(image: Image) -> list[Manifest]:
    container = _container(image, [])
    container |= {
        # Not in the shared settings: a variable with the gateway's prefix is one of its own.
        "env": [{"name": "GATEWAY_URL", "value": "http://gateway:8000"}],
        "envFrom": [{"configMapRef": {"name": CONFIG}}],
        "ports": [{"name": "http", "containerPort": DASHBOARD_PORT}],
        **_probes("http", "/api/health", "/api/health"),
    }
    container["volumeMounts"] = [
        _TEMPORARY,
        {"name": "tmp", "mountPath": "/app/.next/cache", "subPath": "next"},
    ]
    gateway = {
        "to": [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "gateway"}}}],
        "ports": [{"protocol": "TCP", "port": 8000}],
    }
    ingress = [
        {
            "from": [select_namespace("ingress")],
            "ports": [{"protocol": "TCP", "port": DASHBOARD_PORT}],
        }
    ]
    return [
        _account(image.name),
        _deployment(image.name, image, container),
        _disruption_budget(image.name),
        build_policy(image.name, ingress, [gateway, allow_outside(image)]),
        cluster_service(image.name, "http", DASHBOARD_PORT),
    ]
