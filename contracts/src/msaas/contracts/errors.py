"""The errors of this package; every reason is safe to log and to show.

ContractError
├── UnknownName     no such topic, task or problem
├── UnsafeText      JSON that Postgres, a browser or another parser cannot hold
├── EncodeError     a message that must not be published
│   └── MessageTooLarge
└── DecodeError     an entry that cannot be read
"""


class ContractError(ValueError):
    """The root; its message never repeats content."""

    @property
    def reason(self) -> str:
        return str(self)


class UnknownName(ContractError):
    pass


class UnknownTopic(UnknownName):
    pass


class UnknownTask(UnknownName):
    pass


class UnknownProblem(UnknownName):
    pass


class UnsafeText(ContractError):
    pass


class EncodeError(ContractError):
    pass


class MessageTooLarge(EncodeError):
    pass


class DecodeError(ContractError):
    pass
