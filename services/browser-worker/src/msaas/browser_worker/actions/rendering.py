"""Opens a page and stores a screenshot or a PDF of it."""

import asyncio
import struct
from typing import Any, Final, cast

from playwright.async_api import ElementHandle, FloatRect, Page

from msaas.browser_worker.actions.base import BrowserAction, Visit
from msaas.browser_worker.actions.context_options import build_context_options
from msaas.browser_worker.actions.page_session import PageSession, selector_not_found
from msaas.contracts import (
    CaptureScreenshotParams,
    CaptureScreenshotResult,
    PageParams,
    RenderPdfParams,
    RenderPdfResult,
)

MAX_HEIGHT: Final = 16_000
"""In device pixels; Chromium captures no higher images."""

MAX_PIXELS: Final = 32_000_000
"""The area of a picture: the browser holds four bytes for each, more than once."""

_MAX_WIDTH: Final = 4_000
_JPEG_SIZES: Final = {0xC0, 0xC1, 0xC2}


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
    ratio = get_pixel_ratio(params)
    if params.selector is not None:
        element = await session.page.query_selector(params.selector)
        if element is None:
            raise selector_not_found("selector")
        return await _take_element_screenshot(session.page, element, options, ratio)
    if not params.full_page:
        return await session.page.screenshot(**options), False
    return await take_full_page_screenshot(session.page, options, ratio)


async def _take_element_screenshot(
    page: Page, element: ElementHandle, options: dict[str, Any], ratio: float
) -> tuple[bytes, bool]:
    box = await element.bounding_box()
    size = (box["width"], box["height"]) if box else (0.0, 0.0)
    fitting = fit_picture(*size, ratio)
    if box is None or fitting == size:
        return await element.screenshot(**options), False
    viewport = (await _read_layout(page))["cssVisualViewport"]
    clip = _make_clip(viewport["pageX"] + box["x"], viewport["pageY"] + box["y"], fitting)
    return await page.screenshot(full_page=True, clip=clip, **options), True


async def take_full_page_screenshot(
    page: Page, options: dict[str, Any], ratio: float
) -> tuple[bytes, bool]:
    """Capture as much of the page as fits into an image; return whether it was cut."""
    content = (await _read_layout(page))["cssContentSize"]
    size = content["width"], content["height"]
    fitting = fit_picture(*size, ratio)
    # The clip is given in any case: the page may grow meanwhile.
    image = await page.screenshot(full_page=True, clip=_make_clip(0, 0, fitting), **options)
    return image, fitting != size


def fit_picture(width: float, height: float, ratio: float) -> tuple[float, float]:
    """Return how much is drawn of an area, whose size is in the page's own pixels."""
    side, area = MAX_HEIGHT / ratio, MAX_PIXELS / ratio**2
    width, height = min(width, side), min(height, side)
    if width * height > area:
        width = min(width, max(_MAX_WIDTH / ratio, area / height))
        height = min(height, area // width)
    return width, height


def get_pixel_ratio(params: PageParams) -> float:
    return float(build_context_options(params).get("device_scale_factor", 1))


async def _read_layout(page: Page) -> Any:
    """Ask the engine, which scripts of the page cannot answer for."""
    session = await page.context.new_cdp_session(page)
    try:
        return cast("Any", await session.send("Page.getLayoutMetrics"))  # pyright: ignore[reportUnknownMemberType]  # a dict of anything
    finally:
        await session.detach()


def _make_clip(left: float, top: float, size: tuple[float, float]) -> FloatRect:
    width, height = size
    return {"x": left, "y": top, "width": max(1.0, width), "height": max(1.0, height)}


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
