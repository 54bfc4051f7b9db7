"""Frozen settings read once from the environment, with errors that name the variable."""

from msaas.settings.artifacts import ArtifactSettings
from msaas.settings.environment import Environment
from msaas.settings.service_settings import (
    CommaList,
    ServiceSettings,
    LocalDefault,
    PostgresSettings,
    RedisSettings,
)
from msaas.settings.loading import SettingsInvalid, load_settings

__all__ = [
    "ArtifactSettings",
    "CommaList",
    "Environment",
    "ServiceSettings",
    "LocalDefault",
    "PostgresSettings",
    "RedisSettings",
    "SettingsInvalid",
    "load_settings",
]
