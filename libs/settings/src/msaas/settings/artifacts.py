"""The settings of the artifact store."""

from typing import Any

from pydantic import Field, SecretStr

from msaas.settings.service_settings import ServiceSettings


class ArtifactSettings(ServiceSettings):
    """Without `ARTIFACTS_URL` no files are stored.

    A bucket (`s3://bucket/prefix`) needs a key pair, and an endpoint unless it is Amazon's; a
    folder (`file:///folder`) needs the URL of its file server and the key that signs links.
    """

    artifacts_url: str | None = Field(
        default=None, validation_alias="ARTIFACTS_URL", pattern=r"^(s3|file)://"
    )
    artifacts_endpoint: str = Field(default="", validation_alias="ARTIFACTS_ENDPOINT")
    artifacts_region: str = Field(default="auto", validation_alias="ARTIFACTS_REGION")
    artifacts_key_id: str = Field(default="", validation_alias="ARTIFACTS_KEY_ID")
    artifacts_secret: SecretStr | None = Field(default=None, validation_alias="ARTIFACTS_SECRET")
    artifacts_link_url: str = Field(default="", validation_alias="ARTIFACTS_LINK_URL")
    artifacts_link_key: SecretStr | None = Field(
        default=None, validation_alias="ARTIFACTS_LINK_KEY"
    )

    @property
    def artifact_store_options(self) -> dict[str, Any] | None:
        """Return the arguments of the artifact store by name."""
        if self.artifacts_url is None:
            return None
        return {
            "url": self.artifacts_url,
            "endpoint": self.artifacts_endpoint,
            "region": self.artifacts_region,
            "key_id": self.artifacts_key_id,
            "secret": _reveal(self.artifacts_secret),
            "link_url": self.artifacts_link_url,
            "link_key": _reveal(self.artifacts_link_key),
        }


def _reveal(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""
