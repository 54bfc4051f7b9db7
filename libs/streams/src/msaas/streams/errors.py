"""The errors of the broker.

MsaasError
├── DependencyUnavailable
│   └── BrokerUnavailable   Redis does not answer: stop reading, retry
│       └── GroupMissing    the stream or its group is gone: create it again
├── Overloaded
│   ├── TopicFull           a bounded topic refuses commands from outside
│   └── BrokerFull          Redis is at maxmemory
├── EntryIdRefused           the stream has a later entry already
├── CommandRefused          the owner refused the command
└── TopicAccessDenied       the registry does not grant this topic to this process
"""

from msaas.contracts import ReplyProblem
from msaas.kernel import DependencyUnavailable, ErrorKind, MsaasError, Overloaded


class BrokerUnavailable(DependencyUnavailable):
    default_message = "The queue is unavailable."


class GroupMissing(BrokerUnavailable):
    default_message = "The consumer group is gone."


class TopicFull(Overloaded):
    default_message = "The queue is full, try again shortly."


class BrokerFull(Overloaded):
    default_message = "The queue is out of memory."


class CommandRefused(MsaasError):
    """The owner refused; `problem` carries code, message and context."""

    code = "conflict"
    kind = ErrorKind.CONFLICT

    def __init__(self, problem: ReplyProblem) -> None:
        super().__init__(problem.detail, **problem.context)
        self.problem = problem


class TopicAccessDenied(MsaasError):
    code = "internal"
    kind = ErrorKind.INTERNAL


class EntryIdRefused(MsaasError):
    """Nothing was added; later ids are accepted."""

    code = "conflict"
    kind = ErrorKind.CONFLICT


def is_dependency_failure(error: BaseException) -> bool:
    """Return whether a dependency failed, which never counts against the message."""
    return isinstance(error, MsaasError) and error.kind is ErrorKind.UNAVAILABLE
