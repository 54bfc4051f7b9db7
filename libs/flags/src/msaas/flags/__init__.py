"""Typed feature flags: what there is to switch, and for whom it is on."""

from msaas.flags.catalogue import FLAGS, Flag, parse_requested_flags, read_defaults
from msaas.flags.errors import FeatureFlagDisabled, FlagsUnavailable, UnknownFlag
from msaas.flags.feature_flags import FeatureFlags, FlagContext, Overrides
from msaas.flags.rollout import BUCKETS, EVERYBODY, NOBODY, Rollout, rollout_bucket
from msaas.flags.scope import FlagScope, ScopeKind

__all__ = [
    "BUCKETS",
    "EVERYBODY",
    "FLAGS",
    "NOBODY",
    "FeatureFlagDisabled",
    "FeatureFlags",
    "Flag",
    "FlagContext",
    "FlagScope",
    "FlagsUnavailable",
    "Overrides",
    "Rollout",
    "ScopeKind",
    "UnknownFlag",
    "parse_requested_flags",
    "read_defaults",
    "rollout_bucket",
]
