"""What a command to Redis may end with.

MsaasError
├── DependencyUnavailable
│   └── BrokerUnavailable   Redis does not answer: stop reading, retry
│       ├── BrokerUnconfirmed  the command was sent and not answered: it may have taken effect
│       ├── GroupMissing    the stream or its group is gone: create it again
│       └── BrokerAccessDenied  it refuses our user: a loop survives it, a request gets a 500
└── Overloaded
    └── BrokerFull          Redis is at maxmemory
"""

from typing import ClassVar

from msaas.kernel import DependencyUnavailable, ErrorKind, MsaasError, Overloaded


class BrokerUnavailable(DependencyUnavailable):
    default_message = "The queue is unavailable."


class BrokerUnconfirmed(BrokerUnavailable):
    """Repeating the work is safe only where a repetition changes nothing."""


class GroupMissing(BrokerUnavailable):
    default_message = "The consumer group is gone."


class BrokerAccessDenied(BrokerUnavailable):
    """Redis answered NOPERM, NOAUTH or WRONGPASS: our grants or passwords are wrong.

    The loops wait for the correction as for an outage, and count nothing against a message. It
    is no outage to anybody else: no breaker opens, and a request is answered with a 500.
    """

    code: ClassVar[str] = "internal"
    kind: ClassVar[ErrorKind] = ErrorKind.INTERNAL
    retryable: ClassVar[bool] = False
    default_message: ClassVar[str] = "The queue refuses this service."


class BrokerFull(Overloaded):
    default_message = "The queue is out of memory."


def is_dependency_failure(error: BaseException) -> bool:
    """Return whether a dependency failed, which never counts against the message."""
    if isinstance(error, BrokerAccessDenied):
        return True
    return isinstance(error, MsaasError) and error.kind is ErrorKind.UNAVAILABLE
