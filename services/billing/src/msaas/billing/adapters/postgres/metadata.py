"""The metadata of schema `billing`, which its models share."""

from msaas.postgres.columns import build_metadata

metadata = build_metadata("billing")
