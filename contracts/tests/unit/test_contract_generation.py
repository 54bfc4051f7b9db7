"""The committed files match the generated ones, and drift is reported."""

from pathlib import Path

import pytest

from msaas.contracts import ACL_USERS, PROCESSES, render_acl
from msaas.contracts.generate import find_root, list_drift, main, render

HASH = "0" * 64


def test_the_committed_files_match_the_generated_ones(root: Path) -> None:
    assert list_drift(root, render(root)) == []


def test_a_second_generation_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(render(tmp_path))
    assert main([str(tmp_path)]) == 0
    assert not capsys.readouterr().out
    assert main(["--check", str(tmp_path)]) == 0


def test_a_check_names_each_file_that_differs_is_missing_or_is_left_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([str(tmp_path)])
    (tmp_path / "contracts/redis/users.acl").write_text("user default on nopass\n")
    (tmp_path / "docs/topics.md").unlink()
    left_over = tmp_path / "contracts/schemas/v1/Gone.json"
    left_over.write_text("{}")
    assert main(["--check", str(tmp_path)]) == 1
    named = capsys.readouterr().err
    assert [line.partition(" ")[0] for line in named.splitlines()] == [
        "contracts/redis/users.acl",
        "docs/topics.md",
        "contracts/schemas/v1/Gone.json",
    ]
    main([str(tmp_path)])
    assert not left_over.exists()
    assert main(["--check", str(tmp_path)]) == 0


def test_a_root_is_required_outside_a_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert find_root(tmp_path) is None
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["--check"])
    assert "name its root" in capsys.readouterr().err


def test_each_process_has_a_redis_user_that_is_disabled_without_a_password() -> None:
    lines = render_acl().splitlines()
    assert lines[0] == "user default off"
    assert (
        [line.split()[1] for line in lines[1:]]
        == [*PROCESSES, "operator", "intake"]
        == [*ACL_USERS]
    )
    assert all(line.split()[2] == "off" for line in lines[1:])
    jobs = next(
        line for line in render_acl("prod", {"jobs": HASH}).splitlines() if " jobs " in line
    )
    assert jobs.startswith(f"user jobs on #{HASH} ")
    assert "*:" not in jobs


@pytest.mark.parametrize("hashes", [{"jobs": "hunter2"}, {"unknown": HASH}, {"jobs": HASH + "\n"}])
def test_a_plain_password_is_refused(hashes: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="not a known user") as caught:
        render_acl("prod", hashes)
    assert "hunter2" not in str(caught.value)
