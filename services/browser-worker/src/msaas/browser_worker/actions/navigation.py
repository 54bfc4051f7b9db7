"""Opens a page and returns its text."""

from typing import Final

from msaas.browser_worker.actions.base import BrowserAction, Visit
from msaas.browser_worker.actions.fitting import fit
from msaas.browser_worker.actions.opening import Opening
from msaas.contracts import (
    MAX_INLINE_RESULT,
    NavigateAndExtractTextParams,
    NavigateAndExtractTextResult,
    normalise_text,
)

# What a page says of itself is cut before it is sent: it may be huge, and need not even be text.
READ_TEXT: Final = """(element, most) => {
  const text = String(element.innerText ?? element.textContent ?? "");
  return [String(document.title).slice(0, 1000), text.slice(0, most), text.length > most];
}"""
# A picture that is not shown has a document of nothing at all.
READ_PAGE_TEXT: Final = (
    f"most => ({READ_TEXT})(document.body ?? document.documentElement ?? {{}}, most)"
)


class NavigateAndExtractTextAction(BrowserAction):
    async def visit(self, visit: Visit) -> NavigateAndExtractTextResult:
        params = visit.get_params(NavigateAndExtractTextParams)
        opening = Opening(visit, params)
        await opening.open()
        async with visit.step("extract"):
            script = READ_TEXT if params.selector else READ_PAGE_TEXT
            title, text, is_cut = await opening.read(script, MAX_INLINE_RESULT, params.selector)
        told = opening.tell(str(title))
        result = NavigateAndExtractTextResult(**told, text="", truncated=bool(is_cut))
        return fit_text(result, normalise_text(str(text)))


def fit_text(result: NavigateAndExtractTextResult, text: str) -> NavigateAndExtractTextResult:
    """Put in as much of the text as a result may hold."""
    fitting = fit(text, len(result.model_dump_json().encode()))
    cut = result.truncated or len(fitting) < len(text)
    return result.model_copy(update={"text": fitting, "truncated": cut})
