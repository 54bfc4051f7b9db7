"""The errors of the broker, besides those of `msaas.redis`.

MsaasError
├── Overloaded
│   └── TopicFull           a bounded topic refuses commands from outside
├── EntryIdRefused          the stream has a later entry already
├── CommandRefused          the owner refused the command
└── TopicAccessDenied       the registry does not grant this topic to this process
"""

from msaas.contracts import ReplyProblem
from msaas.kernel import ErrorKind, MsaasError, Overloaded


class TopicFull(Overloaded):
    default_message = "The queue is full, try again shortly."


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
