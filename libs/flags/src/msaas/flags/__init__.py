"""Typed feature flags: what there is to switch, and for whom it is on."""

from msaas.flags.catalogue import FLAGS, Flag, read_asked, read_defaults
from msaas.flags.errors import FeatureFlagDisabled, FlagsUnknown, UnknownFlag
from msaas.flags.rollout import BUCKETS, EVERYBODY, NOBODY, Rollout, bucket
from msaas.flags.scope import FlagScope, ScopeKind
from msaas.flags.switches import Overrides, Subject, Switches

__all__ = [
    "BUCKETS",
    "EVERYBODY",
    "FLAGS",
    "NOBODY",
    "FeatureFlagDisabled",
    "Flag",
    "FlagScope",
    "FlagsUnknown",
    "Overrides",
    "Rollout",
    "ScopeKind",
    "Subject",
    "Switches",
    "UnknownFlag",
    "bucket",
    "read_asked",
    "read_defaults",
]
