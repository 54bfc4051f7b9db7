"""Opens a page and stores a screenshot or a PDF of it."""

import asyncio
import struct
from typing import Any, Final

from playwright.async_api import Page

from msaas.browser_worker.actions.base import BrowserAction, Visit
from msaas.browser_worker.actions.page_session import PageSession, selector_not_found
from msaas.contracts import (
    CaptureScreenshotParams,
    CaptureScreenshotResult,
    RenderPdfParams,
    RenderPdfResult,
)

MAX_HEIGHT: Final = 16_000
"""In device pixels; Chromium captures no higher images."""

_MAX_WIDTH: Final = 4_000
_JPEG_SIZES: Final = {0xC0, 0xC1, 0xC2}
_READ_PAGE_SIZE: Final = """() => [
  Math.ceil(document.documentElement.scrollWidth),
  Math.ceil(document.documentElement.scrollHeight),
  window.devicePixelRatio,
]"""


class CaptureScreenshotAction(BrowserAction):
    task_type = "capture_screenshot"
    needs_images = True

    async def visit(self, visit: Visit) -> CaptureScreenshotResult:
        params = visit.get_params(CaptureScreenshotParams)
        session = PageSession(visit, params)
        await session.open()
        session.raise_for_error_page()
        async with visit.step("capture"):
            image, truncated = await _take_screenshot(session, params)
            title = await session.read_title()
        async with visit.step("upload"):
            name = f"screenshot.{params.format}"
            artifact = await visit.run.save_artifact(name, image, f"image/{params.format}")
        width, height = read_image_size(image)
        return CaptureScreenshotResult(
            **session.build_metadata(title),
            artifact=artifact,
            width=width,
            height=height,
            truncated=truncated,
        )


async def _take_screenshot(
    session: PageSession, params: CaptureScreenshotParams
) -> tuple[bytes, bool]:
    options: dict[str, Any] = {
        "type": params.format,
        "quality": params.quality,
        "omit_background": params.hide_background,
        "animations": "disabled",
        "timeout": session.remaining_ms(),
    }
    if params.selector is not None:
        element = await session.page.query_selector(params.selector)
        if element is None:
            raise selector_not_found("selector")
        return await element.screenshot(**options), False
    if not params.full_page:
        return await session.page.screenshot(**options), False
    return await take_full_page_screenshot(session.page, options)


async def take_full_page_screenshot(page: Page, options: dict[str, Any]) -> tuple[bytes, bool]:
    """Capture as much of the page as fits into an image; return whether it was cut."""
    width, height, ratio = await page.evaluate(_READ_PAGE_SIZE)
    max_height = max(1, int(MAX_HEIGHT / max(1.0, float(ratio))))
    if int(height) <= max_height:
        return await page.screenshot(full_page=True, **options), False
    clip = {"x": 0, "y": 0, "width": min(int(width), _MAX_WIDTH), "height": max_height}
    return await page.screenshot(full_page=True, clip=clip, **options), True  # pyright: ignore[reportArgumentType]  # a TypedDict


class RenderPdfAction(BrowserAction):
    task_type = "render_pdf"
    needs_images = True

    async def visit(self, visit: Visit) -> RenderPdfResult:
        params = visit.get_params(RenderPdfParams)
        session = PageSession(visit, params)
        await session.open()
        session.raise_for_error_page()
        async with visit.step("print"):
            if params.media == "screen":
                await session.page.emulate_media(media="screen")
            title = await session.read_title()
            # Printing has no time limit of its own.
            async with asyncio.timeout(session.remaining_ms() / 1000):
                content = await _render_pdf(session.page, params)
        async with visit.step("upload"):
            artifact = await visit.run.save_artifact("page.pdf", content, "application/pdf")
        return RenderPdfResult(**session.build_metadata(title), artifact=artifact)


async def _render_pdf(page: Page, params: RenderPdfParams) -> bytes:
    margin = f"{params.margin_mm}mm"
    return await page.pdf(
        format=params.paper,
        landscape=params.landscape,
        print_background=params.backgrounds,
        scale=params.scale,
        margin={"top": margin, "right": margin, "bottom": margin, "left": margin},
        page_ranges=params.pages or "",
    )


def read_image_size(image: bytes) -> tuple[int, int]:
    """Read width and height from the header of a PNG or JPEG."""
    if image.startswith(b"\x89PNG"):
        return struct.unpack(">II", image[16:24])
    offset = 2
    while offset + 9 < len(image):
        marker, length = struct.unpack(">xBH", image[offset : offset + 4])
        if marker in _JPEG_SIZES:
            height, width = struct.unpack(">HH", image[offset + 5 : offset + 9])
            return width, height
        offset += 2 + length
    raise ValueError("not a PNG or JPEG image")
