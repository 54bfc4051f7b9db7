"""Frozen settings read once from the environment, with errors that name the variable."""

from msaas.settings.artifacts import ArtifactSettings
from msaas.settings.environment import Environment
from msaas.settings.fleet import (
    CommaList,
    FleetSettings,
    LocalDefault,
    PostgresSettings,
    RedisSettings,
)
from msaas.settings.loading import SettingsInvalid, load

__all__ = [
    "ArtifactSettings",
    "CommaList",
    "Environment",
    "FleetSettings",
    "LocalDefault",
    "PostgresSettings",
    "RedisSettings",
    "SettingsInvalid",
    "load",
]
