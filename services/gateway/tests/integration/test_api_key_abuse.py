"""Made-up keys cost an address a bounded number of queries, and no live key leaves the list."""

import os

from services.gateway.tests.conftest import ApiUser, ReadMetric, RunningGateway, SignIn

from msaas.gateway.application.failed_key_checks import MAX_FAILED_CHECKS
from msaas.gateway.application.manage_keys import MAX_KEYS
from msaas.gateway.domain.api_keys import ENTROPY_BYTES, build_key


async def test_made_up_keys_are_looked_up_a_few_times_for_each_address(
    sign_in: SignIn, read_metric: ReadMetric
) -> None:
    user = await sign_in()
    made = await user.request("POST", "/api-keys", json={"name": "ci", "scopes": ["jobs:read"]})
    own = {"authorization": f"Bearer {made.json()['key']}"}
    assert (await user.request("GET", "/jobs", headers=own)).status_code == 200
    answers = [
        await user.request("GET", "/jobs", headers={"authorization": f"Bearer {made_up()}"})
        for _ in range(MAX_FAILED_CHECKS + 20)
    ]
    statuses = [answer.status_code for answer in answers]
    assert statuses[:MAX_FAILED_CHECKS] == [401] * MAX_FAILED_CHECKS
    assert statuses[-1] == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    looked_up = read_metric("msaas_api_key_validation_total", result="unauthenticated") or 0
    # Some are allowed again while a slow machine goes through them.
    assert looked_up < MAX_FAILED_CHECKS + 20
    # A key that was good before is not locked out by its neighbours.
    assert (await user.request("GET", "/jobs", headers=own)).status_code == 200


async def test_no_rotation_hides_a_live_key(sign_in: SignIn, gateway: RunningGateway) -> None:
    user = await sign_in()
    hidden = (await create(user, "stolen"))["id"]
    current = (await create(user, "rotated"))["id"]
    statuses: set[int] = set()
    for _ in range(101):
        answer = await user.request(
            "POST", f"/api-keys/{current}/rotate", json={"grace_seconds": 86_400}
        )
        statuses.add(answer.status_code)
        if answer.status_code != 201:
            break
        current = answer.json()["id"]
    assert statuses == {201, 409}
    listed = (await user.request("GET", "/api-keys")).json()["items"]
    assert hidden in [key["id"] for key in listed]
    assert len(listed) <= 2 * MAX_KEYS


async def create(user: ApiUser, name: str) -> dict[str, str]:
    body = {"name": name, "scopes": ["jobs:read"]}
    return (await user.request("POST", "/api-keys", json=body)).json()


def made_up() -> str:
    return build_key(os.urandom(ENTROPY_BYTES))
