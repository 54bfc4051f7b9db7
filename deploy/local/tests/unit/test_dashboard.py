"""The dashboard is built once for its content."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from msaas.embedded import MissingProgram
from msaas.local.dashboard import (
    DashboardBuilds,
    Node,
    content_of,
    find_node,
    is_requested,
    run_or_report,
)

NODE = Node(Path("/usr/bin/node"), ("npm",))


@pytest.fixture
def frontend(tmp_path: Path) -> Path:
    folder = tmp_path / "frontend"
    (folder / "src").mkdir(parents=True)
    for name in ("next.config.ts", "package-lock.json", "package.json"):
        (folder / name).write_text("{}")
    for name in ("postcss.config.mjs", "tsconfig.json", "src/page.tsx", "src/page.test.tsx"):
        (folder / name).write_text("{}")
    return folder


class RecordingRunner:
    """Stands in for npm and Next: notes the commands and leaves what a build leaves."""

    def __init__(self, frontend: Path) -> None:
        self._frontend = frontend
        self.commands: list[Sequence[str]] = []

    def __call__(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> None:
        assert folder == self._frontend
        assert environment["NEXT_TELEMETRY_DISABLED"] == "1"
        self.commands.append(command)
        (folder / "node_modules").mkdir(exist_ok=True)
        for path in (".next/standalone/server.js", ".next/static/app.js"):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text("")


def test_the_same_content_is_built_once(frontend: Path, tmp_path: Path) -> None:
    runner, notices = RecordingRunner(frontend), list[str]()
    builds = DashboardBuilds(frontend, tmp_path / "builds", notices.append, runner)

    built = builds.ensure(NODE, {})

    assert built.name == content_of(frontend)
    assert (built / "server.js").exists()
    assert (built / ".next" / "static" / "app.js").exists()
    assert runner.commands[0][1] == "install"
    assert builds.ensure(NODE, {}) == built
    assert len(runner.commands) == len(notices) == 2


def test_a_changed_source_is_built_and_its_packages_stay(frontend: Path, tmp_path: Path) -> None:
    runner = RecordingRunner(frontend)
    builds = DashboardBuilds(frontend, tmp_path / "builds", lambda _: None, runner)
    first = builds.ensure(NODE, {})
    (frontend / "src" / "page.tsx").write_text("changed")
    second = builds.ensure(NODE, {})
    (frontend / "src" / "page.tsx").write_text("changed again")
    third = builds.ensure(NODE, {})

    assert [command[-1] for command in runner.commands[1:]] == ["build"] * 3
    assert not first.exists()
    assert second.exists()
    assert third.exists()


def test_a_test_changes_no_build(frontend: Path) -> None:
    before = content_of(frontend)
    (frontend / "src" / "page.test.tsx").write_text("changed")
    assert content_of(frontend) == before


def test_it_can_be_switched_off_or_missing(frontend: Path, tmp_path: Path) -> None:
    assert is_requested(frontend, {})
    assert not is_requested(frontend, {"MSAAS_DASHBOARD": "off"})
    assert not is_requested(tmp_path, {})


def test_a_failed_build_says_how_to_do_without(tmp_path: Path) -> None:
    with pytest.raises(MissingProgram, match="MSAAS_DASHBOARD=off"):
        run_or_report(["sh", "-c", "echo broken; exit 1"], tmp_path, {})


def test_a_run_that_stands_still_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("msaas.local.dashboard._IDLE_SECONDS", 0.3)
    script = "test -e begun && exit 0; touch begun; sleep 60"
    run_or_report(["sh", "-c", script], tmp_path, {"PATH": "/usr/bin:/bin"})
    assert (tmp_path / "begun").exists()


def test_node_is_found_with_its_npm() -> None:
    node = find_node()
    assert node.program.exists()
    assert node.environment({"PATH": "/bin"})["PATH"] == f"{node.program.parent}:/bin"
