"""Errors of the artifact store.

MsaasError
├── ArtifactNotFound          there is no file of that name
├── UnsupportedStore          the URL is neither file:// nor s3://
└── DependencyUnavailable
    └── ArtifactsUnavailable  the store does not answer
"""

from typing import ClassVar

from msaas.kernel import DependencyUnavailable, ErrorKind, MsaasError


class ArtifactNotFound(MsaasError):
    code: ClassVar[str] = "not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "Artifact not found."


class UnsupportedStore(MsaasError):
    default_message: ClassVar[str] = "ARTIFACTS_URL must start with file:// or s3://."


class ArtifactsUnavailable(DependencyUnavailable):
    default_message: ClassVar[str] = "The artifact store is not available."
