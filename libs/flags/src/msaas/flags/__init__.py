"""Typed feature flags: the catalogue, their rollout, and whether one is on for a user."""

from msaas.flags.catalogue import FLAGS, Flag, parse_requested_flags, read_defaults
from msaas.flags.errors import FeatureFlagDisabled, FlagsUnavailable, UnknownFlag
from msaas.flags.feature_flags import FeatureFlags, FlagContext, Overrides
from msaas.flags.published_flags import FlagState, PublishedFlags, summarise_overrides
from msaas.flags.rollout import ALL_USERS, BUCKETS, NO_USERS, Rollout, rollout_bucket
from msaas.flags.scope import FlagScope, ScopeKind

__all__ = [
    "ALL_USERS",
    "BUCKETS",
    "FLAGS",
    "NO_USERS",
    "FeatureFlagDisabled",
    "FeatureFlags",
    "Flag",
    "FlagContext",
    "FlagScope",
    "FlagState",
    "FlagsUnavailable",
    "Overrides",
    "PublishedFlags",
    "Rollout",
    "ScopeKind",
    "UnknownFlag",
    "parse_requested_flags",
    "read_defaults",
    "rollout_bucket",
    "summarise_overrides",
]
