"""Files that jobs leave behind: kept by job and run, handed out by signed links."""

from msaas.artifacts.door import FolderDoor
from msaas.artifacts.errors import ArtifactNotFound, ArtifactsUnavailable, StoreUnknown
from msaas.artifacts.kinds import content_type_of
from msaas.artifacts.links import LinkSigner
from msaas.artifacts.store import ArtifactStore, Place, StoredArtifact, open_store

__all__ = [
    "ArtifactNotFound",
    "ArtifactStore",
    "ArtifactsUnavailable",
    "FolderDoor",
    "LinkSigner",
    "Place",
    "StoreUnknown",
    "StoredArtifact",
    "content_type_of",
    "open_store",
]
