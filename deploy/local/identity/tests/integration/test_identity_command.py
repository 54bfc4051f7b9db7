"""The server as a process, and its two tools."""

import httpx
import pytest
from identity_support import RunningServer

from msaas.identity.__main__ import main

SEED = ("seed-user", "--email", "Demo@example.com")
ANON_KEY = "the-anon-key"


async def sign_in(running: RunningServer, password: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=f"{running.url}/auth/v1", timeout=60) as client:
        return await client.post(
            "/token",
            params={"grant_type": "password"},
            headers={"apikey": ANON_KEY},
            json={"email": "demo@example.com", "password": password},
        )


async def test_a_seeded_user_has_a_plan_and_a_role(running: RunningServer) -> None:
    command = (*SEED, "--password-env", "DEMO", "--plan", "PRO", "--role", "operator")
    for _ in range(2):
        done = await running.command(*command, DEMO="correct horse")
        assert (done.returncode, done.stdout) == (0, "seeded: demo@example.com\n"), done.stderr
    session = (await sign_in(running, "correct horse")).json()
    assert session["user"]["app_metadata"] == {
        "provider": "email",
        "providers": ["email"],
        "plan": "PRO",
        "role": "operator",
    }


async def test_seeding_again_changes_what_is_different(running: RunningServer) -> None:
    first = await running.command(*SEED, "--plan", "PRO", stdin="correct horse\n")
    session = (await sign_in(running, "correct horse")).json()
    again = await running.command(*SEED, stdin="correct horse\n")
    async with httpx.AsyncClient(base_url=f"{running.url}/auth/v1", timeout=60) as client:
        headers = {"apikey": ANON_KEY, "authorization": f"Bearer {session['access_token']}"}
        kept = await client.get("/user", headers=headers)
        third = await running.command(*SEED, stdin="battery staple\n")
        ended = await client.get("/user", headers=headers)
    assert [first.returncode, again.returncode, third.returncode] == [0, 0, 0]
    assert "plan" not in kept.json()["app_metadata"]
    assert ended.status_code == 403
    assert (await sign_in(running, "battery staple")).status_code == 200


async def test_a_seed_without_a_password_is_refused(running: RunningServer) -> None:
    done = await running.command(*SEED, "--password-env", "NOT_SET")
    assert done.returncode == 2
    assert done.stderr == "Password should be at least 8 characters.\n"


async def test_the_running_server_signs_with_the_rotated_key(running: RunningServer) -> None:
    await running.command(*SEED, stdin="correct horse\n")
    early = await running.command("rotate-keys")
    assert early.returncode == 2
    assert "try again in" in early.stderr
    done = await running.command("rotate-keys", "--at-once")
    uses = [line.split()[0] for line in done.stdout.splitlines()]
    assert sorted(uses) == ["current", "previous", "standby"]
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{running.url}/auth/v1/.well-known/jwks.json")
    assert len(answer.json()["keys"]) == 3
    assert (await sign_in(running, "correct horse")).status_code == 200


async def test_the_internal_port_serves_readiness_and_metrics(running: RunningServer) -> None:
    async with httpx.AsyncClient() as client:
        ready = await client.get(f"{running.internal_url}/health/ready")
        metrics = await client.get(f"{running.internal_url}/metrics")
    assert ready.json() == {"status": "ok", "checks": {"db": "ok"}}
    assert "http_server_request_duration_seconds" in metrics.text


@pytest.mark.parametrize("name", ["serve", "rotate-keys"])
def test_production_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    with pytest.raises(SystemExit) as ended:
        main([name])
    assert ended.value.code == 2
    assert "set SUPABASE_URL instead" in capsys.readouterr().err
