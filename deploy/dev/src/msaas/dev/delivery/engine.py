"""Calls the container engine: builds images, and reads their sizes and layers."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msaas.dev.delivery.dockerfiles import base_of
from msaas.dev.delivery.images import Image

_PROBE_TIMEOUT = 20.0


@dataclass(frozen=True)
class BuiltImage:
    """What one build gave; `own_layers` are those that the image adds to its base."""

    seconds: float
    size: int
    own_size: int
    own_layers: tuple[str, ...]


def find_engine() -> str | None:
    """Return the client of an engine that answers, or None."""
    client = shutil.which("docker")
    if client is None:
        return None
    try:
        probe = subprocess.run(
            [client, "info"], capture_output=True, check=False, timeout=_PROBE_TIMEOUT
        )
    except subprocess.TimeoutExpired:
        return None
    return client if probe.returncode == 0 else None


@dataclass(frozen=True)
class Builder:
    """Builds images from the repository's root; the engine's output goes to the terminal."""

    engine: str
    root: Path
    arguments: Mapping[str, str]

    def build(self, image: Image, *, fresh: bool = False) -> BuiltImage:
        started = time.monotonic()
        command = [self.engine, "build", "--file", image.dockerfile, "--tag", tag_of(image)]
        for name, value in self.arguments.items():
            command += ["--build-arg", f"{name}={value}"]
        command += ["--no-cache"] if fresh else []
        subprocess.run([*command, "."], cwd=self.root, check=True)
        return self._describe(image, time.monotonic() - started)

    def _describe(self, image: Image, seconds: float) -> BuiltImage:
        built = self._inspect(tag_of(image))
        base = self._inspect(self.arguments.get("BASE") or base_of(image))
        layers = built["RootFS"]["Layers"][len(base["RootFS"]["Layers"]) :]
        return BuiltImage(seconds, built["Size"], built["Size"] - base["Size"], tuple(layers))

    def _inspect(self, tag: str) -> dict[str, Any]:
        command = [self.engine, "image", "inspect", tag]
        return json.loads(_output(command))[0]


def tag_of(image: Image) -> str:
    return f"{image.tag}:{os.environ.get('MSAAS_VERSION') or image.version}"


def find_revision(root: Path) -> str:
    """Return the commit that is built, or `unknown` outside a clone."""
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _output(command: Sequence[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def find_compose(engine: str) -> tuple[str, ...] | None:
    """Return the command of Compose: the engine's plugin, or None."""
    command = (engine, "compose")
    probe = subprocess.run([*command, "version"], capture_output=True, check=False)
    return command if probe.returncode == 0 else None
