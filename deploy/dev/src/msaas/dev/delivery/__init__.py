"""Derives images, the compose file and manifests from processes, dependencies and settings."""

from msaas.dev.delivery.images import Image, list_images
from msaas.dev.delivery.workloads import Workload, list_workloads

__all__ = ["Image", "Workload", "list_images", "list_workloads"]
