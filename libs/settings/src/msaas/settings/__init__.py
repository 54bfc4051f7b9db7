"""Frozen settings read once from the environment, with errors that name the variable."""

from msaas.settings.loading import SettingsInvalid, load_settings
from msaas.settings.service_settings import (
    ArtifactSettings,
    CommaList,
    Environment,
    LocalDefault,
    PostgresSettings,
    RedisSettings,
    ServiceSettings,
)

__all__ = [
    "ArtifactSettings",
    "CommaList",
    "Environment",
    "LocalDefault",
    "PostgresSettings",
    "RedisSettings",
    "ServiceSettings",
    "SettingsInvalid",
    "load_settings",
]
