"""Files that jobs produce: stored by job and run, downloaded through signed links."""

from msaas.artifacts.content_types import find_content_type
from msaas.artifacts.file_server import FileServer
from msaas.artifacts.links import LinkSigner
from msaas.artifacts.store import (
    ArtifactNotFound,
    ArtifactStore,
    ArtifactsUnavailable,
    StoredArtifact,
    StoreLocation,
    UnsupportedStore,
    open_store,
)

__all__ = [
    "ArtifactNotFound",
    "ArtifactStore",
    "ArtifactsUnavailable",
    "FileServer",
    "LinkSigner",
    "StoreLocation",
    "StoredArtifact",
    "UnsupportedStore",
    "find_content_type",
    "open_store",
]
