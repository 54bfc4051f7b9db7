"""Writes Dockerfiles, their locks, the compose file and manifests, or reports those that differ."""

import sys
from pathlib import Path

from msaas.contracts.generate import GeneratedFiles, run_generator
from msaas.dev.delivery.compose import render_compose, render_prometheus
from msaas.dev.delivery.dockerfiles import render_dockerfile
from msaas.dev.delivery.env_example import render_env_example
from msaas.dev.delivery.image_locks import render_lock
from msaas.dev.delivery.images import list_images
from msaas.dev.delivery.kubernetes import render_kubernetes
from msaas.dev.delivery.kubernetes_dev import render_dev, render_images
from msaas.dev.lock import LOCKS


def render(root: Path) -> GeneratedFiles:
    workspace_lock = (root / LOCKS[0].path).read_text(encoding="utf-8")
    images = list_images(root)
    return {
        **{Path(each.dockerfile): render_dockerfile(each, workspace_lock) for each in images},
        **{Path(each.lock): render_lock(each, workspace_lock) for each in images if each.units},
        Path("docker-compose.yaml"): render_compose(root),
        Path("deploy/compose/prometheus.yml"): render_prometheus(root),
        Path(".env.example"): render_env_example(root),
        **render_kubernetes(root),
        **render_dev(root),
        **render_images(root),
    }


def main(arguments: list[str] | None = None) -> int:
    return run_generator(render, __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
