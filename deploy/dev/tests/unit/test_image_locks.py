"""The lock of an image is the part of the workspace's lock that its requirements reach."""

import dataclasses

import pytest

from msaas.cli import main
from msaas.dev.delivery import list_images
from msaas.dev.delivery.image_locks import PackageNotLocked, find_packages, render_lock
from msaas.dev.delivery.kubernetes_dev import resolve_defaults
from msaas.dev.workspace import ROOT

LOCK = (ROOT / "requirements.lock").read_text()


def test_what_a_package_requires_is_followed_with_its_extras() -> None:
    assert {"redis", "hiredis"} <= find_packages(["redis[hiredis]"])
    assert "starlette" in find_packages(["fastapi"])
    assert "greenlet" in find_packages(["sqlalchemy[asyncio]"])


def test_a_marker_counts_where_it_holds_on_linux_on_any_processor() -> None:
    assert find_packages(['colorama; sys_platform == "win32"']) == set()
    assert "orjson" in find_packages(['orjson; platform_machine == "aarch64"'])


def test_a_package_that_the_workspace_lacks_is_named() -> None:
    image = dataclasses.replace(list_images(ROOT)[0], requirements=("left-pad",))
    with pytest.raises(PackageNotLocked, match=r"left-pad: run `./msaas lock`"):
        render_lock(image, LOCK)


def test_each_pin_keeps_its_hashes() -> None:
    image = dataclasses.replace(list_images(ROOT)[0], requirements=("orjson",))
    text = render_lock(image, LOCK)
    assert text.count("==") == 1
    assert text.count("--hash=sha256:") > 5


def test_an_unknown_image_is_refused_with_the_nearest_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["images", "gatway"]) == 2
    assert "did you mean 'gateway'" in capsys.readouterr().err


def test_defaults_are_substituted_from_the_innermost() -> None:
    assert resolve_defaults("${A:-${B:-http://x}/y}") == "http://x/y"
    assert resolve_defaults("${A}") == ""
