"""The metadata of schema `jobs`, which its models share."""

from msaas.postgres.columns import build_metadata

metadata = build_metadata("jobs")
