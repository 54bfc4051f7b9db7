"""The data folder: where it is, and its lock."""

import os
from pathlib import Path

import pytest

from msaas.embedded import FolderUnreachable
from msaas.embedded.unprivileged import can_reach, require_reachable
from msaas.local import AlreadyRunning, Home, find_home


def test_the_environment_names_the_folder(tmp_path: Path) -> None:
    assert find_home({"MSAAS_HOME": str(tmp_path)}) == Home(tmp_path)


def test_the_default_folder_is_in_the_repository_or_readable_by_roots_servers() -> None:
    path = find_home({}).path
    assert path.parts[-2:] == (".msaas", "data") or path.parent == Path("/var/lib/msaas")


def test_two_launchers_cannot_lock_one_folder(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with home.locked(), pytest.raises(AlreadyRunning, match=str(home.path)), home.locked():
        pass
    with home.locked():
        assert home.logs.is_dir()


def test_wiping_deletes_the_data_and_nothing_else(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    (home.redis / "appendonlydir").mkdir(parents=True)
    (tmp_path / "mine").write_text("stays")
    home.wipe()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_folder_that_its_user_cannot_enter_is_refused(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    assert not can_reach(closed, "nobody")
    with pytest.raises(FolderUnreachable, match="MSAAS_HOME"):
        require_reachable(closed, "nobody")


def test_a_folder_can_be_entered_by_owner_group_or_anyone(tmp_path: Path) -> None:
    user = "root"
    assert can_reach(Path("/"), user)
    assert can_reach(Path(os.sep), "nobody")
    assert tmp_path.exists()
