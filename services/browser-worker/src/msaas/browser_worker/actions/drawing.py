"""Opens a page and keeps a picture of it, or how it prints."""

import asyncio
import struct
from typing import Any, Final

from playwright.async_api import Page

from msaas.browser_worker.actions.base import BrowserAction, Visit
from msaas.browser_worker.actions.opening import Opening, not_found
from msaas.contracts import (
    CaptureScreenshotParams,
    CaptureScreenshotResult,
    RenderPdfParams,
    RenderPdfResult,
)

MOST_HEIGHT: Final = 16_000
"""In pixels of the screen; Chromium draws no picture higher than about that."""

_MOST_WIDTH: Final = 4_000
_JPEG_SIZES: Final = {0xC0, 0xC1, 0xC2}
_SIZE: Final = """() => [
  Math.ceil(document.documentElement.scrollWidth),
  Math.ceil(document.documentElement.scrollHeight),
  window.devicePixelRatio,
]"""


class CaptureScreenshotAction(BrowserAction):
    needs_pictures = True

    async def visit(self, visit: Visit) -> CaptureScreenshotResult:
        params = visit.get_params(CaptureScreenshotParams)
        opening = Opening(visit, params)
        await opening.open()
        opening.refuse_lost_page()
        async with visit.step("capture"):
            picture, is_cut = await _draw(opening, params)
            title = await opening.read_title()
        async with visit.step("upload"):
            name = f"screenshot.{params.format}"
            artifact = await visit.run.keep(name, picture, f"image/{params.format}")
        width, height = size_of(picture)
        return CaptureScreenshotResult(
            **opening.tell(title),
            artifact=artifact,
            width=width,
            height=height,
            truncated=is_cut,
        )


async def _draw(opening: Opening, params: CaptureScreenshotParams) -> tuple[bytes, bool]:
    options: dict[str, Any] = {
        "type": params.format,
        "quality": params.quality,
        "omit_background": params.hide_background,
        "animations": "disabled",
        "timeout": opening.left_ms(),
    }
    if params.selector is not None:
        element = await opening.page.query_selector(params.selector)
        if element is None:
            raise not_found("selector")
        return await element.screenshot(**options), False
    if not params.full_page:
        return await opening.page.screenshot(**options), False
    return await draw_all_of(opening.page, options)


async def draw_all_of(page: Page, options: dict[str, Any]) -> tuple[bytes, bool]:
    """Draw as much of the page as goes into a picture; say whether that was less than all."""
    width, height, ratio = await page.evaluate(_SIZE)
    most = max(1, int(MOST_HEIGHT / max(1.0, float(ratio))))
    if int(height) <= most:
        return await page.screenshot(full_page=True, **options), False
    clip = {"x": 0, "y": 0, "width": min(int(width), _MOST_WIDTH), "height": most}
    return await page.screenshot(full_page=True, clip=clip, **options), True  # pyright: ignore[reportArgumentType]  # a TypedDict


class RenderPdfAction(BrowserAction):
    needs_pictures = True

    async def visit(self, visit: Visit) -> RenderPdfResult:
        params = visit.get_params(RenderPdfParams)
        opening = Opening(visit, params)
        await opening.open()
        opening.refuse_lost_page()
        async with visit.step("print"):
            if params.media == "screen":
                await opening.page.emulate_media(media="screen")
            title = await opening.read_title()
            # Printing has no time limit of its own.
            async with asyncio.timeout(opening.left_ms() / 1000):
                content = await _print(opening.page, params)
        async with visit.step("upload"):
            artifact = await visit.run.keep("page.pdf", content, "application/pdf")
        return RenderPdfResult(**opening.tell(title), artifact=artifact)


async def _print(page: Page, params: RenderPdfParams) -> bytes:
    margin = f"{params.margin_mm}mm"
    return await page.pdf(
        format=params.paper,
        landscape=params.landscape,
        print_background=params.backgrounds,
        scale=params.scale,
        margin={"top": margin, "right": margin, "bottom": margin, "left": margin},
        page_ranges=params.pages or "",
    )


def size_of(picture: bytes) -> tuple[int, int]:
    """Read width and height where PNG and JPEG keep them."""
    if picture.startswith(b"\x89PNG"):
        return struct.unpack(">II", picture[16:24])
    place = 2
    while place + 9 < len(picture):
        marker, length = struct.unpack(">xBH", picture[place : place + 4])
        if marker in _JPEG_SIZES:
            height, width = struct.unpack(">HH", picture[place + 5 : place + 9])
            return width, height
        place += 2 + length
    raise ValueError("this is no picture of ours")
