"""Links to files need the key that signs them."""

import pytest
from pydantic_settings import SettingsConfigDict

from msaas.settings import ArtifactSettings, SettingsInvalid, load_settings


class FileSettings(ArtifactSettings):
    model_config = SettingsConfigDict(env_prefix="FILES_")


LINKS = {
    "ENVIRONMENT": "test",
    "ARTIFACTS_URL": "file:///files",
    "ARTIFACTS_LINK_URL": "http://127.0.0.1/files",
}


@pytest.mark.parametrize("environment", ["test", "production"])
@pytest.mark.parametrize("key", [{}, {"ARTIFACTS_LINK_KEY": ""}])
def test_links_without_a_key_are_refused(environment: str, key: dict[str, str]) -> None:
    with pytest.raises(SettingsInvalid) as error:
        load_settings(FileSettings, LINKS | {"ENVIRONMENT": environment} | key)
    assert "is required" in error.value.problems["ARTIFACTS_LINK_KEY"]


def test_no_key_is_needed_without_links_and_with_them_it_is_used() -> None:
    assert load_settings(FileSettings, {"ENVIRONMENT": "test"}).artifact_store_options is None
    options = load_settings(
        FileSettings, LINKS | {"ARTIFACTS_LINK_KEY": "k"}
    ).artifact_store_options
    assert options is not None
    assert options["link_key"] == "k"
