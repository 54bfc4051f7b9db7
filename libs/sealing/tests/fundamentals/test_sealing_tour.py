"""How a secret travels: sealed with a public key, readable only by the owner of the private key."""

import json

import pytest

from msaas.sealing import (
    InvalidSeal,
    PrivateKey,
    PublicKey,
    Sealer,
    UnknownSealingKey,
    Unsealer,
    is_sealed,
)


@pytest.fixture(scope="module")
def key() -> PrivateKey:
    return PrivateKey.generate()


def test_a_value_is_sealed_with_the_public_key_and_unsealed_with_the_private_key(
    key: PrivateKey,
) -> None:
    public = PublicKey.parse(str(key.public))  # the whole configuration of the sealing service
    sealed = Sealer(public).seal("hunter2", "job-1", "password")
    assert is_sealed(sealed)
    assert "hunter2" not in str(sealed)
    assert Unsealer([key]).unseal(sealed, "job-1", "password") == "hunter2"


def test_a_sealed_value_is_json_and_replaces_the_secret(key: PrivateKey) -> None:
    params = {"url": "http://a.test/", "password": Sealer(key.public).seal("hunter2", "job-1")}
    stored = json.loads(json.dumps(params))
    assert [name for name, value in stored.items() if is_sealed(value)] == ["password"]
    assert Unsealer([key]).unseal(stored["password"], "job-1") == "hunter2"


def test_a_sealed_value_copied_into_another_job_does_not_unseal(key: PrivateKey) -> None:
    sealed = Sealer(key.public).seal("hunter2", "job-1", "password")
    with pytest.raises(InvalidSeal):
        Unsealer([key]).unseal(sealed, "job-2", "password")


def test_after_a_key_rotation_old_values_still_unseal(key: PrivateKey) -> None:
    old = Sealer(key.public).seal("hunter2", "job-1")
    rotated = PrivateKey.generate()
    unsealer = Unsealer([rotated, key])
    assert unsealer.unseal(old, "job-1") == "hunter2"
    new = Sealer(rotated.public).seal("hunter3", "job-2")
    assert unsealer.unseal(new, "job-2") == "hunter3"


def test_without_its_private_key_a_value_stays_sealed(key: PrivateKey) -> None:
    sealed = Sealer(key.public).seal("hunter2", "job-1")
    with pytest.raises(UnknownSealingKey) as refused:
        Unsealer([PrivateKey.generate()]).unseal(sealed, "job-1")
    assert refused.value.context == {"key_id": key.public.id}
    assert key.export().partition(":")[2] not in repr(key)
