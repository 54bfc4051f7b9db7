"""An error that a test logs is drawn as a plain traceback, which costs the event loop nothing."""

import pytest
import structlog


def fail_with_large_values(depth: int) -> None:
    values = [[str(number)] * 10 for number in range(100)]
    if depth:
        fail_with_large_values(depth - 1)
    raise ValueError(len(values))


@pytest.mark.parametrize("were_defaults_reset", [False, True])
def test_a_logged_error_has_a_few_lines_for_each_frame(
    *, were_defaults_reset: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    if were_defaults_reset:
        structlog.reset_defaults()
    with pytest.raises(ValueError, match="100") as failure:
        fail_with_large_values(20)
    structlog.get_logger().error("it_failed", exc_info=failure.value)
    printed = capsys.readouterr().out
    assert "ValueError: 100" in printed
    assert len(printed.splitlines()) < 100
