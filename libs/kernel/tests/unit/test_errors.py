"""The fields of an error, and that they survive pickling and chaining."""

import pickle

import pytest

from msaas.kernel import (
    CircuitOpen,
    CommandTimeout,
    DependencyUnavailable,
    ErrorKind,
    MsaasError,
    Overloaded,
)


def test_an_error_has_its_default_message_unless_one_is_given() -> None:
    assert str(MsaasError()) == MsaasError.default_message
    assert MsaasError("The page is gone.").safe_message == "The page is gone."


def test_context_is_kept_apart_from_the_message() -> None:
    error = DependencyUnavailable(target="stripe")
    assert error.context == {"target": "stripe"}
    assert "stripe" not in str(error)


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (DependencyUnavailable, "dependency_unavailable", ErrorKind.UNAVAILABLE),
        (CircuitOpen, "dependency_unavailable", ErrorKind.UNAVAILABLE),
        (Overloaded, "overloaded", ErrorKind.UNAVAILABLE),
        (CommandTimeout, "command_timeout", ErrorKind.TIMEOUT),
    ],
)
def test_transient_errors_are_retryable(
    error: type[MsaasError], code: str, kind: ErrorKind
) -> None:
    assert (error.code, error.kind, error.retryable) == (code, kind, True)


def test_an_error_survives_a_process_boundary() -> None:
    error = pickle.loads(pickle.dumps(Overloaded("Full.", retry_after=3)))  # noqa: S301  # our own
    assert (error.safe_message, error.context) == ("Full.", {"retry_after": 3})
