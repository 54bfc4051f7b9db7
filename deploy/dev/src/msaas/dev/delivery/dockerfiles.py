"""Renders the Dockerfile of an image from its template."""

import json
import re
from pathlib import Path
from typing import Final

from msaas.contracts import Process
from msaas.dev.delivery.images import DASHBOARD, DASHBOARD_PORT, Image

TEMPLATES: Final = Path(__file__).with_name("templates")
PYTHON_BASE: Final = "python:3.11-slim-bookworm"
NODE_BASE: Final = "node:24-bookworm-slim"
_READY: Final = (
    "import http.client as h,os,sys;"
    "c=h.HTTPConnection('127.0.0.1',int(os.environ['{variable}']),timeout=15);"
    "c.request('GET','/health/ready');sys.exit(c.getresponse().status!=200)"
)
# The file server has no internal port; it answers 404 where nothing was asked for.
_LISTENING: Final = (
    "import http.client as h,sys;c=h.HTTPConnection('127.0.0.1',{port},timeout=15);"
    "c.request('GET','/');sys.exit(c.getresponse().status!=404)"
)


def render_dockerfile(image: Image, workspace_lock: str) -> str:
    values = _dashboard_values() if image.name == DASHBOARD else _values(image, workspace_lock)
    values |= {
        "dockerfile": image.dockerfile,
        "name": image.name,
        "description": image.description,
        "version": image.version,
    }
    template = "dashboard" if image.name == DASHBOARD else "python"
    text = (TEMPLATES / f"{template}.Dockerfile").read_text()
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], text)


def base_of(image: Image) -> str:
    return NODE_BASE if image.name == DASHBOARD else PYTHON_BASE


def _dashboard_values() -> dict[str, str]:
    return {"base": NODE_BASE, "port": str(DASHBOARD_PORT)}


def _values(image: Image, workspace_lock: str) -> dict[str, str]:
    first = image.processes[0]
    migrations = f"\nCOPY {image.folder}/migrations /app/migrations" if image.has_migrations else ""
    data = image.data
    return {
        "base": PYTHON_BASE,
        "uv": f"ghcr.io/astral-sh/uv:{_uv_version(workspace_lock)}",
        "lock": image.lock,
        "copies": "\n".join(f"COPY {unit} {unit}" for unit in image.units),
        "units": " ".join(f"./{unit}" for unit in image.units),
        "data_folder": f"\nRUN mkdir {data}" if data else "",
        "migrations": migrations,
        "output": f"/app {data}".strip(),
        "packages": _install(image.packages),
        "copy_data": f"COPY --from=build --chown=10001:10001 {data} {data}\n" if data else "",
        "environment": "".join(f" {name}={value}" for name, value in list_defaults(first).items()),
        "ports": " ".join(map(str, list_ports(image))),
        "probe": render_probe(first),
        "module": first.command[0],
        "command": json.dumps(list_arguments(image, first)),
    }


def _uv_version(workspace_lock: str) -> str:
    (version,) = re.findall(r"(?m)^uv==([\d.]+)", workspace_lock)
    return version


def _install(packages: tuple[str, ...]) -> str:
    if not packages:
        return ""
    return (
        "RUN apt-get update -q && apt-get install -y -q --no-install-recommends "
        f"{' '.join(packages)} \\\n    && rm -rf /var/lib/apt/lists/* /var/log/*\n"
    )


def list_arguments(image: Image, process: Process) -> list[str]:
    """Return what follows the program: the kind of process, or the file server's options."""
    if process.internal_port is None:
        return ["--host", "0.0.0.0", "--folder", image.data]  # noqa: S104  # inside a container
    return list(process.command[1:])


def list_defaults(process: Process) -> dict[str, str]:
    """Return the variables that make a process listen outside its container, on known ports."""
    if process.internal_port is None:
        return {}
    prefix, everywhere = process.settings_prefix, "0.0.0.0"  # noqa: S104  # inside a container
    public = {f"{prefix}HOST": everywhere} if process.public_port else {}
    port = {process.internal_port_variable: str(process.internal_port)}
    return {**public, f"{prefix}INTERNAL_HOST": everywhere, **port}


def list_ports(image: Image) -> list[int]:
    ports = [port for each in image.processes for port in (each.public_port, each.internal_port)]
    return [port for port in ports if port is not None]


def render_probe(process: Process) -> str:
    if process.internal_port is None:
        return _LISTENING.format(port=process.public_port)
    return _READY.format(variable=process.internal_port_variable)
