"""The state file: readable by its owner only, and never matching a reused process id."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from msaas.local.state import (
    LauncherState,
    PartState,
    ProcessId,
    end_orphans,
    find_process,
    find_state,
    this_process,
)

_SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def _state(*parts: PartState) -> LauncherState:
    return LauncherState(this_process(), ready=True, parts=list(parts))


def test_a_written_state_is_read_again(tmp_path: Path) -> None:
    state = _state(PartState("redis", "redis://x", this_process(), signal.SIGTERM, ready=True))
    state.write(tmp_path / "state.json")
    assert find_state(tmp_path / "state.json") == state


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    _state().write(tmp_path / "state.json")
    assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600


def test_a_missing_file_is_no_state(tmp_path: Path) -> None:
    assert find_state(tmp_path / "state.json") is None


@given(st.binary(max_size=40) | st.sampled_from([b"{}", b'{"parts": [1]}', b'{"parts": [{}]}']))
def test_an_unreadable_file_is_no_state(content: bytes) -> None:
    path = Path(f"/proc/self/fd/{_open_pipe(content)}")
    assert find_state(path) is None


def _open_pipe(content: bytes) -> int:
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    return reading


def test_an_orphan_is_ended() -> None:
    with subprocess.Popen(_SLEEP) as child:
        state = _state(PartState("redis", process=find_process(child.pid)))
        assert end_orphans(state) == ["redis"]
        assert child.wait() == -signal.SIGTERM


def test_another_process_with_the_same_id_is_not_ended() -> None:
    with subprocess.Popen(_SLEEP) as child:
        earlier = ProcessId(child.pid, born=1.0)
        assert end_orphans(_state(PartState("redis", process=earlier))) == []
        assert child.poll() is None
        child.kill()


def test_a_process_that_ignores_the_signal_is_killed() -> None:
    program = "import signal,time; signal.signal(15, signal.SIG_IGN); print(1, flush=True)"
    stubborn = [sys.executable, "-c", f"{program}; time.sleep(60)"]
    with subprocess.Popen(stubborn, stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.readline()
        process = find_process(child.pid)
        assert process
        process.end(signal.SIGTERM, timeout=0.1)
        assert child.wait() == -signal.SIGKILL


def test_an_unknown_process_is_not_found() -> None:
    assert find_process(2**22 + 1) is None
