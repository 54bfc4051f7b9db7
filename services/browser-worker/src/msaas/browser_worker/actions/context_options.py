"""From the options that all browser tasks share to a context, and to what is done to its page."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page, Route

from msaas.browser_worker.browser.instance import ContextOptions
from msaas.contracts import Cookie, PageParams

ENGINE_BLOCKED_RESOURCES: Final = frozenset({"image", "font"})
"""Resources that a browser without images blocks in the engine, without a round trip."""

_CHROME: Final = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0"
_DEVICES: Final[Mapping[str, ContextOptions]] = MappingProxyType(
    {
        "desktop": {"viewport": {"width": 1280, "height": 720}},
        "tablet": {
            "viewport": {"width": 834, "height": 1112},
            "device_scale_factor": 2,
            "is_mobile": True,
            "has_touch": True,
            "user_agent": f"Mozilla/5.0 (Linux; Android 14; Tablet) {_CHROME} Safari/537.36",
        },
        "phone": {
            "viewport": {"width": 390, "height": 844},
            "device_scale_factor": 2,
            "is_mobile": True,
            "has_touch": True,
            "user_agent": f"Mozilla/5.0 (Linux; Android 14; Phone) {_CHROME} Mobile Safari/537.36",
        },
    }
)


def build_context_options(params: PageParams) -> ContextOptions:
    options: dict[str, Any] = dict(_DEVICES[params.device]) if params.device else {}
    if params.viewport:
        options["viewport"] = params.viewport.model_dump()
    overrides = {
        "locale": params.locale,
        "user_agent": params.user_agent,
        "extra_http_headers": dict(params.headers) if params.headers else None,
    }
    options |= {name: value for name, value in overrides.items() if value is not None}
    if not params.javascript:
        options["java_script_enabled"] = False
    return options


def get_blocked_resources(params: PageParams | None, *, needs_images: bool) -> frozenset[str]:
    if params is None or params.block_resources is None:
        return frozenset() if needs_images else ENGINE_BLOCKED_RESOURCES
    return frozenset(params.block_resources)


async def configure_page(page: Page, params: PageParams, intercepted: AbstractSet[str]) -> None:
    """Set the cookies and the time zone of a page, and block what the engine does not block.

    An unknown time zone is the job's failure here; in a context it would be the
    browser's.
    """
    if params.cookies:
        host = urlsplit(params.url).hostname or ""
        await page.context.add_cookies([_build_cookie(cookie, host) for cookie in params.cookies])
    if params.timezone:
        session = await page.context.new_cdp_session(page)
        await session.send("Emulation.setTimezoneOverride", {"timezoneId": params.timezone})  # pyright: ignore[reportUnknownMemberType]  # a dict of anything
    if kinds := {kind for resource in intercepted for kind in _RESOURCE_TYPES[resource]}:

        async def handle_route(route: Route) -> None:
            with suppress(PlaywrightError):  # the page may be gone by now
                if route.request.resource_type in kinds:
                    await route.abort("blockedbyclient")
                else:
                    await route.continue_()

        await page.context.route("**/*", handle_route)


_RESOURCE_TYPES: Final[Mapping[str, AbstractSet[str]]] = MappingProxyType(
    {
        "font": {"font"},
        "image": {"image", "imageset"},
        "media": {"media", "texttrack"},
        "script": {"script"},
        "stylesheet": {"stylesheet"},
        "xhr": {"xhr", "fetch", "eventsource", "websocket"},
    }
)


def _build_cookie(cookie: Cookie, host: str) -> Any:
    return {
        "name": cookie.name,
        "value": cookie.value,
        "domain": cookie.domain or host,
        "path": cookie.path,
    }
