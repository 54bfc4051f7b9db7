"""What can be wrong at the edge of the vocabulary; every reason is safe to log and to show.

ContractError
├── UnknownName     no such topic, task or problem
├── UnsafeText      JSON that Postgres, a browser or another parser would choke on
├── Unwritable      a message that must not go on the wire
│   └── Oversize
└── Unreadable      an entry that nobody can parse
"""


class ContractError(ValueError):
    """The root; the message never echoes content."""

    @property
    def reason(self) -> str:
        return str(self)


class UnknownName(ContractError):  # errors are named for the fact
    pass


class UnknownTopic(UnknownName):
    pass


class UnknownTask(UnknownName):
    pass


class UnknownProblem(UnknownName):
    pass


class UnsafeText(ContractError):  # errors are named for the fact
    pass


class EncodeError(ContractError):  # errors are named for the fact
    pass


class MessageTooLarge(EncodeError):
    pass


class DecodeError(ContractError):  # errors are named for the fact
    pass
