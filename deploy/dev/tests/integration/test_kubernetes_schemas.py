"""Manifests are valid in several versions of Kubernetes and pass policies; the Tiltfile runs.

The tools are large, so they are installed on demand into an environment of their own. Overlays are
rendered where `kubectl` is on PATH; without it the files of the base are validated.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from msaas.dev.delivery import list_images
from msaas.dev.workspace import ROOT, tool_path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_600)]
FOLDER = ROOT / "deploy/k8s"
OVERLAYS = ("dev", "staging", "production")
VERSIONS = ("1.30", "1.33", "1.37")
TOOLS = ("kubernetes-validate==1.37.0", "checkov==3.3.30", "starlark-pyo3==2026.1.3")
# Their schemas belong to operators; test_kubernetes.py checks what they contain.
FOREIGN_KINDS = re.compile(r"(?m)^kind: (ExternalSecret|ScaledObject|Kustomization)$")
# What a policy demands and is decided otherwise.
ACCEPTED = {
    "CKV_K8S_43": "images have tags here; a release sets their digests",
    "CKV_K8S_35": "secrets are variables, because settings are read from the environment alone",
    "CKV_K8S_15": "a tag is never moved to another image, so none is pulled again",
    "CKV2_K8S_6": "the network policies select pods by a label that the check does not follow",
    "CKV_K8S_31": "Chromium's pods have a profile of their own, which the check does not know",
    "CKV_K8S_11": "servers of a developer's cluster have no limit of processor time",
    "CKV_K8S_8": "servers of a developer's cluster are restarted by hand",
    "CKV_K8S_40": "servers of a developer's cluster run as their image's user",
    "CKV_K8S_21": "the namespace is set by the overlay",
}


@pytest.fixture(scope="module")
def tools() -> Path:
    """Return the folder of the tools' programs."""
    folder = ROOT / ".msaas" / "manifest-tools"
    if not (folder / "bin" / "checkov").exists():
        subprocess.run([tool_path("uv"), "venv", "--clear", "-q", folder], check=True)
        install = [tool_path("uv"), "pip", "install", "-q", "--python", folder / "bin" / "python"]
        subprocess.run([*install, *TOOLS], check=True)
    return folder / "bin"


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Render each overlay into a file; without kubectl, join the files of the base."""
    folder, kubectl = tmp_path_factory.mktemp("manifests"), shutil.which("kubectl")
    base = "\n---\n".join(path.read_text() for path in sorted(FOLDER.glob("base/*/*.yaml")))
    texts = {"base": base}
    for overlay in OVERLAYS if kubectl else ():
        command = [str(kubectl), "kustomize", str(FOLDER / "overlays" / overlay)]
        texts[overlay] = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rendered: dict[str, Path] = {}
    for name, text in texts.items():
        documents = [each for each in text.split("\n---\n") if not FOREIGN_KINDS.search(each)]
        rendered[name] = folder / f"{name}.yaml"
        rendered[name].write_text("\n---\n".join(documents))
    return rendered


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_valid_in_a_version(
    tools: Path, manifests: dict[str, Path], version: str
) -> None:
    for path in manifests.values():
        command = [tools / "kubernetes-validate", "-k", version, "--strict", path]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_misspelt_field_would_be_found(tools: Path, tmp_path: Path) -> None:
    text = (FOLDER / "base/fleet/network-policy.yaml").read_text()
    (tmp_path / "wrong.yaml").write_text(text.replace("policyTypes", "policyType"))
    command = [tools / "kubernetes-validate", "-k", VERSIONS[-1], "--strict"]
    done = subprocess.run([*command, tmp_path / "wrong.yaml"], capture_output=True, check=False)
    assert done.returncode != 0


def test_the_policies_pass(tools: Path, manifests: dict[str, Path]) -> None:
    for path in manifests.values():
        command = [tools / "checkov", "--skip-download", "--quiet", "--framework", "kubernetes"]
        command += ["-o", "json", "-f", path, "--skip-check", ",".join(ACCEPTED)]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
        report = json.loads(done.stdout)
        failed = {
            (check["check_id"], check["resource"]) for check in report["results"]["failed_checks"]
        }
        assert not failed, f"{path.name}: {sorted(failed)}"
        assert report["summary"]["passed"] > 100


def test_every_dockerfile_passes_the_policies(tools: Path) -> None:
    for image in list_images(ROOT):
        command = [tools / "checkov", "--skip-download", "--quiet", "--framework", "dockerfile"]
        # CKV_DOCKER_7 does not see that the arguments of FROM are pinned.
        command += ["-o", "json", "--skip-check=CKV_DOCKER_7", "-f", ROOT / image.dockerfile]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        report = json.loads(done.stdout)
        # Without a failure the report is a bare summary.
        failed = report.get("results", {}).get("failed_checks", [])
        assert not failed, (image.name, [check["check_id"] for check in failed])


def run_tiltfile(tools: Path, **options: bool) -> list[dict[str, Any]]:
    runner = Path(__file__).with_name("tiltfile_runner.py")
    command = [tools / "python", runner, ROOT / "Tiltfile", json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_tiltfile_builds_every_image_and_names_resources_that_exist(tools: Path) -> None:
    calls = run_tiltfile(tools)
    built = {call["arguments"][0] for call in calls if call["call"] == "docker_build"}
    assert {image.tag for image in list_images(ROOT) if not image.is_stand_in} <= built
    named = {call["arguments"][0] for call in calls if call["call"] == "k8s_resource"}
    texts = [path.read_text() for path in FOLDER.glob("**/*.yaml")]
    kinds = re.compile(r"kind: (?:Deployment|Job)\nmetadata:\n  name: ([\w-]+)")
    assert named == {name for text in texts for name in kinds.findall(text)}
    contexts = next(call for call in calls if call["call"] == "allow_k8s_contexts")
    assert "docker-desktop" in contexts["arguments"][0]


def test_the_tiltfile_falls_back_to_compose(tools: Path) -> None:
    calls = run_tiltfile(tools, compose=True)
    assert [call["arguments"] for call in calls if call["call"] == "docker_compose"] == [
        ["docker-compose.yaml"]
    ]
    assert not [call for call in calls if call["call"] == "k8s_yaml"]
