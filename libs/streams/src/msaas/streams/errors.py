"""What can go wrong on the wire, each error saying who has to wait and who has to stop.

MsaasError
├── DependencyUnavailable
│   └── WireUnavailable    Redis does not answer: stop reading, try again
│       └── GroupMissing   the stream or its group is gone: make it again
├── Overloaded
│   ├── TopicFull          a bounded topic refuses outside commands
│   └── WireFull           Redis is at maxmemory
├── CommandRefused         the owner answered no
└── GrantRefused           the registry does not give this process that topic
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
    """The owner's refusal; `problem` carries its code, words and context."""

    code = "conflict"
    kind = ErrorKind.CONFLICT

    def __init__(self, problem: ReplyProblem) -> None:
        super().__init__(problem.detail, **problem.context)
        self.problem = problem


class TopicAccessDenied(MsaasError):
    code = "internal"
    kind = ErrorKind.INTERNAL


def is_dependency_failure(error: BaseException) -> bool:
    """Whether a failure is the fault of something outside, and so never of the message."""
    return isinstance(error, MsaasError) and error.kind is ErrorKind.UNAVAILABLE
