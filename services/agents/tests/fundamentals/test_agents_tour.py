"""The service in one step: what it needs to start."""

import pytest

from msaas.agents.__main__ import main


def test_1_a_start_without_settings_names_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    with pytest.raises(SystemExit):
        main(["serve"])
    assert "REDIS_URL" in capsys.readouterr().err
