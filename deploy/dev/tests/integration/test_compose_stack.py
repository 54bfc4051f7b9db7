"""Where a container engine answers, the images are built and a stack works and leaves nothing.

Without an engine the command says so, and this is what the test then sees.
"""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

import httpx
import pytest

from msaas.cli import main
from msaas.dev.delivery import list_images
from msaas.dev.delivery.engine import find_compose, find_engine, tag_of
from msaas.dev.workspace import ROOT
from msaas.embedded import find_free_port
from msaas.local.api_client import ApiClient
from msaas.testing import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(5_400)]
START_SECONDS = 1_200
PUBLISHED = ("gateway", "frontend", "identity", "artifacts", "stripe")
EMAIL, PASSWORD = "verify@example.com", f"verify-{uuid4().hex}"
ONE_SHOT = {"migrate-gateway", "migrate-jobs", "migrate-billing", "catalogue"}


@dataclass
class ComposeStack:
    """One project of its own name on free ports."""

    command: tuple[str, ...]
    project: str = field(default_factory=lambda: f"msaas-test-{uuid4().hex[:8]}")
    ports: Mapping[str, int] = field(
        default_factory=lambda: {name: find_free_port() for name in PUBLISHED}
    )

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    @property
    def environment(self) -> dict[str, str]:
        published = {f"PUBLISH_{name.upper()}": str(port) for name, port in self.ports.items()}
        return {
            **os.environ,
            **published,
            "COMPOSE_PROFILES": "local-stripe",
            "PUBLIC_GATEWAY_URL": self.url("gateway"),
            "PUBLIC_DASHBOARD_URL": self.url("frontend"),
            "PUBLIC_ARTIFACTS_URL": self.url("artifacts"),
            "IDENTITY_PUBLIC_URL": self.url("identity"),
            "LOCAL_STRIPE_PUBLIC_URL": self.url("stripe"),
            "BROWSER_WORKER_ALLOWED_HOSTS": "frontend:3000",
        }

    def run(self, *words: str, timeout: float = 300) -> str:
        done = subprocess.run(
            [*self.command, "--project-name", self.project, *words],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        assert done.returncode == 0, f"{words}: {done.stdout[-4000:]}{done.stderr[-4000:]}"
        return done.stdout

    def exec(self, service: str, *words: str) -> str:
        return self.run("exec", "-T", service, *words)


@pytest.fixture(scope="module")
def engine() -> str | None:
    return find_engine()


@pytest.fixture(scope="module")
def stack(engine: str | None) -> Iterator[ComposeStack | None]:
    """Build the images and start a stack; None where no engine answers."""
    compose = find_compose(engine) if engine else None
    if engine is None or compose is None:
        yield None
        return
    assert main(["images"]) == 0
    stack = ComposeStack(compose)
    try:
        stack.run("up", "--no-build", "--wait", "--detach", timeout=START_SECONDS)
        yield stack
    finally:
        stack.run("down", "--volumes", "--timeout", "40")


def test_the_stack_starts_and_serves_a_job_or_the_missing_engine_is_named(
    stack: ComposeStack | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if stack is None:
        assert main(["images"]) == 1
        assert "no container engine answers" in capsys.readouterr().err
        return
    seed = ("env", f"SEED_PASSWORD={PASSWORD}", "python", "-P", "-m", "msaas.identity", "seed-user")
    stack.exec("identity", *seed, "--email", EMAIL, "--password-env", "SEED_PASSWORD")
    monkeypatch.setenv("MSAAS_VERIFY_EMAIL", EMAIL)
    monkeypatch.setenv("MSAAS_VERIFY_PASSWORD", PASSWORD)
    address = [stack.url("gateway"), "--supabase-url", stack.url("identity")]
    assert main(["verify", *address, "--timeout", "300"]) == 0
    assert "an echo job is COMPLETED" in capsys.readouterr().out
    page = httpx.get(f"{stack.url('frontend')}/api/health", timeout=120)
    assert (page.status_code, page.json()["status"]) == (200, "ok")
    asyncio.run(run_browser_job(stack))


async def find_ended_job(api: ApiClient, job_id: str) -> dict[str, Any] | None:
    job = await api.job(job_id)
    return job if job["status"] not in {"PENDING", "RUNNING"} else None


async def run_browser_job(stack: ComposeStack) -> None:
    """Open a page in the sandboxed browser, and store a file where the user can fetch it."""
    async with ApiClient(stack.url("gateway"), stack.url("identity"), "local-anon-key") as api:
        await api.sign_in(EMAIL, PASSWORD)
        for task in ("navigate_and_extract_text", "render_pdf"):
            submitted = await api.submit(task, {"url": "http://frontend:3000/sign-in"})
            ended = partial(find_ended_job, api, submitted["id"])
            job = await wait_until(ended, timeout=600, message=f"{task} does not end")
            assert job is not None
            assert job["status"] == "COMPLETED", job
        (artifact,) = (await api.request_json("GET", f"/jobs/{job['id']}/artifacts"))["items"]
        link = await api.request("GET", f"/jobs/{job['id']}/artifacts/{artifact['name']}")
        assert link.status_code in {302, 303, 307}, link.text
        async with httpx.AsyncClient(timeout=120) as http:
            stored = await http.get(link.headers["location"])
        assert stored.content.startswith(b"%PDF-")


def test_containers_run_without_rights_and_hold_only_their_service(
    stack: ComposeStack | None,
) -> None:
    for image in list_images(ROOT) if stack else ():
        for process in image.processes:
            assert stack is not None
            assert stack.exec(process.name, "id", "-u").strip() == "10001"
            probe = "touch /app/x 2>/dev/null && echo writable; command -v gcc cc make git; true"
            assert stack.exec(process.name, "sh", "-c", probe).strip() == ""
            found = stack.exec(process.name, "sh", "-c", "ls /app/.venv/lib/*/site-packages/msaas")
            units = {unit.rpartition("/")[2].replace("-", "_") for unit in image.units}
            assert set(found.split()) == units
            tests = "find /app -name 'test_*' -path '*msaas*' -o -name 'conftest.py'"
            assert stack.exec(process.name, "sh", "-c", tests).strip() == ""


def test_an_image_says_what_it_is(engine: str | None, stack: ComposeStack | None) -> None:
    for image in list_images(ROOT) if engine and stack else ():
        assert engine is not None
        inspect = [engine, "image", "inspect", "--format", "{{json .Config}}", tag_of(image)]
        config = json.loads(subprocess.run(inspect, capture_output=True, check=True).stdout)
        assert config["User"] == "10001:10001"
        assert config["Labels"]["com.micro-saas.service.role"] == image.name
        assert config["Labels"]["org.opencontainers.image.version"] == image.version
        assert config["Healthcheck"]["Test"][0] == "CMD"


def test_nothing_is_left_when_a_stack_is_removed(engine: str | None) -> None:
    """Start a part of a stack of its own, and look for all that its project could leave."""
    compose = find_compose(engine) if engine else None
    if engine is None or compose is None:
        assert find_engine() is None or compose is None
        return
    stack = ComposeStack(compose)
    stack.run("up", "--no-build", "--wait", "--detach", "postgres", "redis", timeout=START_SECONDS)
    label = f"label=com.docker.compose.project={stack.project}"
    kinds = (["ps", "--all"], ["volume", "ls"], ["network", "ls"])

    def left() -> list[str]:
        listed = ([engine, *kind, "--quiet", "--filter", label] for kind in kinds)
        done = (subprocess.run(each, capture_output=True, text=True, check=True) for each in listed)
        return [each.stdout.strip() for each in done]

    assert all(left())
    stack.run("down", "--volumes", "--timeout", "40")
    assert left() == ["", "", ""]
