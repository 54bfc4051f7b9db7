"""What an API key can be allowed to do; a session may do all of it and more."""

from enum import StrEnum


class Scope(StrEnum):
    ACCOUNT_READ = "account:read"
    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    OPS = "ops"  # an operator's alone
