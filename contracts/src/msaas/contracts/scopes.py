"""The scopes of API keys; a session has all of them and more rights."""

from enum import StrEnum


class Scope(StrEnum):
    ACCOUNT_READ = "account:read"
    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    OPS = "ops"  # operators only
