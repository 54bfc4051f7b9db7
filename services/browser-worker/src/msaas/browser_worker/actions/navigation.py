"""Opens a page and returns its text."""

from typing import Final

from msaas.browser_worker.actions.base import BrowserAction, Visit
from msaas.browser_worker.actions.page_session import PageSession
from msaas.browser_worker.actions.page_values import read_cut_text
from msaas.browser_worker.actions.truncation import truncate_to_result
from msaas.contracts import (
    MAX_INLINE_RESULT,
    NavigateAndExtractTextParams,
    NavigateAndExtractTextResult,
    normalise_text,
)

# The text is cut before it leaves the page: it may be huge, and need not be a string.
READ_TEXT: Final = """(element, most) => {
  const text = String(element.innerText ?? element.textContent ?? "");
  return [String(document.title).slice(0, 1000), text.slice(0, most), text.length > most];
}"""
# The document of an image may have no elements.
READ_PAGE_TEXT: Final = (
    f"most => ({READ_TEXT})(document.body ?? document.documentElement ?? {{}}, most)"
)


class NavigateAndExtractTextAction(BrowserAction):
    task_type = "navigate_and_extract_text"

    async def visit(self, visit: Visit) -> NavigateAndExtractTextResult:
        params = visit.get_params(NavigateAndExtractTextParams)
        session = PageSession(visit, params)
        await session.open()
        async with visit.step("extract"):
            script = READ_TEXT if params.selector else READ_PAGE_TEXT
            raw = await session.evaluate(script, MAX_INLINE_RESULT, params.selector)
        title, text, truncated = read_cut_text(raw, MAX_INLINE_RESULT)
        metadata = session.build_metadata(title)
        result = NavigateAndExtractTextResult(**metadata, text="", truncated=truncated)
        return fit_text(result, normalise_text(text))


def fit_text(result: NavigateAndExtractTextResult, text: str) -> NavigateAndExtractTextResult:
    """Add as much of the text as fits into a result."""
    truncated_text = truncate_to_result(text, len(result.model_dump_json().encode()))
    truncated = result.truncated or len(truncated_text) < len(text)
    return result.model_copy(update={"text": truncated_text, "truncated": truncated})
