"""`./msaas` makes its environment, repairs it, and names what a machine lacks; all offline."""

import ast
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from msaas.dev.workspace import ROOT

UV_FOLDER = Path(sys.executable).parent
PRINT_ARGUMENTS = "import sys; print('verb', *sys.argv[1:])\n"
WORKSPACE = '[tool.uv.workspace]\nmembers = ["deploy/*"]\n'

Run = subprocess.CompletedProcess[str]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Build a repository with one unit, nothing to download, and the real script."""
    folder = tmp_path / "a workspace"
    code = folder / "deploy" / "cli" / "src" / "msaas" / "cli"
    code.mkdir(parents=True)
    shutil.copy(ROOT / "msaas", folder)
    shutil.copy(ROOT / "deploy" / "cli" / "pyproject.toml", folder / "deploy" / "cli")
    (folder / "pyproject.toml").write_text(WORKSPACE)
    (folder / "requirements.lock").write_text("# nothing\n")
    (code / "__init__.py").touch()
    (code / "__main__.py").write_text(PRINT_ARGUMENTS)
    return folder


def run_script(script: Path, *words: str, cwd: Path | None = None, **variables: str) -> Run:
    path = f"{UV_FOLDER}{os.pathsep}/usr/bin{os.pathsep}/bin"
    environment = {"HOME": str(Path.home()), "PATH": path, "UV_OFFLINE": "1", **variables}
    return subprocess.run(
        [sys.executable, script, *words],
        cwd=cwd,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )


def test_the_first_start_prints_its_steps_and_runs_the_command(workspace: Path) -> None:
    first = run_script(workspace / "msaas", "up", "--wipe")
    assert first.stdout == "verb up --wipe\n"
    for word in ("making .venv", "installing 0 packages", "linking 1 units", "done in"):
        assert word in first.stderr


def test_the_second_start_is_silent_in_any_folder_and_under_any_name(
    workspace: Path, tmp_path: Path
) -> None:
    run_script(workspace / "msaas", "up")
    link = tmp_path / "elsewhere"
    link.symlink_to(workspace / "msaas")
    (tmp_path / "types.py").write_text("raise SystemExit('shadowed')")
    second = run_script(link, "status", cwd=tmp_path)
    assert (second.stdout, second.stderr) == ("verb status\n", "")


def test_a_changed_lock_is_installed_into_the_same_environment(workspace: Path) -> None:
    run_script(workspace / "msaas")
    (workspace / "requirements.lock").write_text("# something else\n")
    again = run_script(workspace / "msaas")
    assert "installing" in again.stderr
    assert "making .venv" not in again.stderr


def move_workspace(folder: Path) -> Path:
    return folder.rename(folder.with_name("moved"))


def remove_stamp(folder: Path) -> Path:
    (folder / ".venv" / "msaas-stamp").unlink()
    return folder


def remove_python(folder: Path) -> Path:
    (folder / ".venv" / "bin" / "python").unlink()
    return folder


@pytest.mark.parametrize("damage", [move_workspace, remove_stamp, remove_python])
def test_a_broken_environment_is_rebuilt(workspace: Path, damage: Callable[[Path], Path]) -> None:
    run_script(workspace / "msaas")
    repaired = run_script(damage(workspace) / "msaas", "status")
    assert "making .venv" in repaired.stderr
    assert repaired.stdout == "verb status\n"


def test_two_concurrent_first_starts_install_once(workspace: Path) -> None:
    with ThreadPoolExecutor() as pool:
        both = list(pool.map(run_script, [workspace / "msaas"] * 2, ("up", "status")))
    assert sorted(run.stdout for run in both) == ["verb status\n", "verb up\n"]
    assert sum("making .venv" in run.stderr for run in both) == 1


def test_a_failed_step_prints_the_tools_output_and_the_next_start_continues(
    workspace: Path,
) -> None:
    (workspace / "requirements.lock").write_text("no-such-thing==1 --hash=sha256:" + "0" * 64)
    failed = run_script(workspace / "msaas")
    assert failed.returncode == 1
    assert "no-such-thing" in failed.stderr
    assert "settings of uv and pip" in failed.stderr
    (workspace / "requirements.lock").write_text("# nothing\n")
    assert run_script(workspace / "msaas", "status").stdout == "verb status\n"


def test_without_pip_the_error_names_what_to_install(workspace: Path, tmp_path: Path) -> None:
    (workspace / "requirements.lock").write_text("uv==0.13.8 \\\n    --hash=sha256:00\n")
    for name in ("pip", "ensurepip"):
        (tmp_path / f"{name}.py").write_text("raise ImportError")
    refused = run_script(workspace / "msaas", PATH=str(tmp_path), PYTHONPATH=str(tmp_path))
    assert refused.returncode == 1
    assert "apt install python3." in refused.stderr
    assert "-venv" in refused.stderr


def test_a_folder_of_another_user_is_named_with_the_remedy(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / ".venv").mkdir()
    launcher = runpy.run_path(str(workspace / "msaas"))

    ask = os.access

    def may(path: Path, mode: int) -> bool:
        return not (path == workspace / ".venv" and mode == os.W_OK) and ask(path, mode)

    # Root may write anywhere, so the system's answer is given here.
    monkeypatch.setattr(os, "access", may)
    with pytest.raises(SystemExit):
        launcher["main"](["status"])
    assert "chown" in capsys.readouterr().err


def pretend_to_be_old(folder: Path) -> list[str]:
    script = folder / "msaas"
    lines = "import sys, runpy; sys.version_info = (3, 6, 15); sys.version = '3.6.15 (old)'; "
    return ["-c", lines + f"sys.argv = [{str(script)!r}, 'status']; runpy.run_path(sys.argv[0])"]


def test_an_old_python_is_refused_with_its_version(workspace: Path, tmp_path: Path) -> None:
    refused = subprocess.run(
        [sys.executable, *pretend_to_be_old(workspace)],
        env={"PATH": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert refused.returncode == 1
    assert "3.11 or newer is needed" in refused.stderr
    assert "is 3.6.15" in refused.stderr


def test_an_old_python_starts_a_newer_one_on_path_but_no_empty_shim(
    workspace: Path, tmp_path: Path
) -> None:
    for name, body in {"python3.11": "exit 127", "python3.13": 'echo "newer $2"'}.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
    handed_over = subprocess.run(
        [sys.executable, *pretend_to_be_old(workspace)],
        env={"PATH": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert handed_over.stdout.splitlines()[-1] == "newer status"


def test_old_interpreters_can_parse_the_script() -> None:
    assert ast.parse((ROOT / "msaas").read_text(), feature_version=(3, 7))


def test_the_series_of_uv_is_the_one_that_the_units_are_built_with() -> None:
    series = '"uv_build>=0.13,<0.14"'
    projects = [path.read_text() for path in ROOT.glob("libs/*/pyproject.toml")]
    assert all(series in project for project in projects)
    assert 'UV_SERIES = b"0.13."' in (ROOT / "msaas").read_text()
    assert "\nuv==0.13." in (ROOT / "requirements.lock").read_text()
