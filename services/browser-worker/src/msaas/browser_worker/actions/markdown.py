"""Opens a page and returns what it is about as Markdown."""

import asyncio
import re
from typing import Final

import html_to_markdown

from msaas.browser_worker.actions.base import BrowserAction, Visit
from msaas.browser_worker.actions.page_session import PageSession
from msaas.browser_worker.actions.page_values import read_cut_text
from msaas.browser_worker.actions.truncation import truncate_to_result
from msaas.contracts import (
    ExtractMarkdownParams,
    ExtractMarkdownResult,
    normalise_text,
)
from msaas.worker import ActionFailed

MAX_HTML: Final = 2_000_000
MAX_MARKDOWN: Final = 200_000
MARKDOWN_FILE: Final = "page.md"
# Works on a copy: URLs become absolute, and invisible elements are removed. The main content is the
# page's `main` element, or else the article that has most of the text.
READ_HTML: Final = """(element, [most, whole]) => {
  const SILENT = "script,style,noscript,template,link,meta,iframe,object,svg,canvas," +
    "[hidden],[aria-hidden=true]";
  const AROUND = "nav,aside,form,dialog,[role=navigation],[role=complementary],[role=search]";
  const EDGES = ",header,footer,[role=banner],[role=contentinfo]";
  const length = one => (one.textContent ?? "").length;
  const main = () => {
    const named = element.querySelector("main,[role=main]");
    if (named && length(named) > 0) return named;
    const articles = [...element.querySelectorAll("article")];
    return articles.filter(one => 2 * length(one) > length(element))
      .sort((a, b) => length(b) - length(a))[0] ?? element;
  };
  const matter = whole ? element : main();
  const copy = matter.cloneNode(true);
  const unread = SILENT + "," + AROUND + (matter === document.body ? EDGES : "");
  for (const one of copy.querySelectorAll(whole ? SILENT : unread)) one.remove();
  for (const [tag, name] of [["a", "href"], ["img", "src"]])
    for (const one of copy.querySelectorAll(`${tag}[${name}]`)) {
      try { one.setAttribute(name, new URL(one.getAttribute(name), document.baseURI).href); }
      catch { one.removeAttribute(name); }
    }
  const html = String(copy.outerHTML ?? "");
  return [String(document.title).slice(0, 1000), html.slice(0, most), html.length > most];
}"""
READ_PAGE_HTML: Final = f"given => ({READ_HTML})(document.body ?? document.documentElement, given)"


class ExtractMarkdownAction(BrowserAction):
    task_type = "extract_markdown"

    async def visit(self, visit: Visit) -> ExtractMarkdownResult:
        params = visit.get_params(ExtractMarkdownParams)
        session = PageSession(visit, params)
        await session.open()
        async with visit.step("extract"):
            script = READ_HTML if params.selector else READ_PAGE_HTML
            # A selected element is converted without removing anything.
            arguments = [MAX_HTML, params.whole_page or params.selector is not None]
            raw = await session.evaluate(script, arguments, params.selector)
            title, html, truncated = read_cut_text(raw, MAX_HTML)
        async with visit.step("convert"):
            markdown = await convert_to_markdown(html)
        metadata = session.build_metadata(title)
        result = ExtractMarkdownResult(**metadata, markdown="", truncated=truncated)
        return await _attach_markdown(visit, result, markdown)


async def convert_to_markdown(html: str) -> str:
    """Convert outside the event loop: a page may be long."""
    converted = await asyncio.to_thread(_convert, normalise_text(html))
    return normalise_text(converted[:MAX_MARKDOWN]).strip()


def _convert(html: str) -> str:
    # The page itself has left out what was to be left out.
    as_given = html_to_markdown.PreprocessingOptions(enabled=False)
    options = html_to_markdown.ConversionOptions(extract_metadata=False, preprocessing=as_given)
    try:
        content = html_to_markdown.convert(html, options).content
    except html_to_markdown.ConversionError as error:
        message = "The page cannot be converted to Markdown."
        raise ActionFailed("page_failed", message, retryable=False) from error
    return _EMPTY_LINES.sub("\n\n", content or "")


_EMPTY_LINES: Final = re.compile(r"\n{3,}")


async def _attach_markdown(
    visit: Visit, result: ExtractMarkdownResult, markdown: str
) -> ExtractMarkdownResult:
    """Cut text that is too long for a result; store all of it where there is a link."""
    truncated_markdown = truncate_to_result(markdown, len(result.model_dump_json().encode()))
    if truncated_markdown == markdown:
        return result.model_copy(update={"markdown": markdown})
    artifact = None
    if MARKDOWN_FILE in visit.run.envelope.meta.uploads:
        async with visit.step("upload"):
            artifact = await visit.run.save_artifact(
                MARKDOWN_FILE, markdown.encode(), "text/markdown"
            )
    result = result.model_copy(update={"artifact": artifact, "truncated": True})
    truncated_markdown = truncate_to_result(markdown, len(result.model_dump_json().encode()))
    return result.model_copy(update={"markdown": truncated_markdown})
