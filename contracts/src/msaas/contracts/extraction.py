"""Browser tasks that read a page: its text, Markdown, fields and links."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from msaas.contracts.message import ValueObject
from msaas.contracts.pages import Artifact, PageParams, PageResult, Selector
from msaas.contracts.text import (
    MAX_INT,
    NO_NUL,
    ForeignText,
    ForeignUrl,
    Identifier,
    JsonObject,
    ShortText,
)

Scalar = (
    Annotated[str, Field(pattern=NO_NUL, max_length=1_000)]
    | Annotated[int, Field(ge=-MAX_INT, le=MAX_INT)]
    | Annotated[float, Field(ge=-1e308, le=1e308)]
    | bool
    | None
)
FieldType = Literal["text", "html", "integer", "number", "boolean", "url"]
AttributeName = Annotated[str, Field(pattern=r"^[A-Za-z_:][A-Za-z0-9_.:-]*$", max_length=100)]


class NavigateAndExtractTextParams(PageParams):
    """Return the text of `selector`, or of the whole page without it."""

    selector: Selector | None = None


class NavigateAndExtractTextResult(PageResult):
    text: ForeignText
    truncated: bool = False


class ExtractMarkdownParams(PageParams):
    """Return the page's main content, or that of `selector`, as Markdown with links and tables.

    With `whole_page` navigation, asides and footers are included.
    """

    selector: Selector | None = None
    whole_page: bool = False


class ExtractMarkdownResult(PageResult):
    """`markdown` is truncated at the size limit of a result; the artifact has all of it."""

    markdown: ForeignText
    truncated: bool = False
    artifact: Artifact | None = None


class FieldReading(ValueObject):
    """What to read from an element: its text or an attribute, and as which type."""

    attribute: AttributeName | None = None
    type: FieldType = "text"
    default: Scalar = None


class InnerField(FieldReading):
    """What to read inside one element of a list; without a selector, the element itself."""

    selector: Selector | None = None


class StructuredField(FieldReading):
    """What to read from the first match of `selector`, or from every match with `many`.

    With `fields` each match is an object whose fields are searched inside it. A field without a
    match takes its `default`; without a default the job fails.
    """

    selector: Selector
    many: bool = False
    fields: Annotated[dict[Identifier, InnerField], Field(min_length=1, max_length=50)] | None = (
        None
    )

    @model_validator(mode="after")
    def _reads_one_thing(self) -> Self:
        if self.fields and ({"attribute", "type"} & self.model_fields_set):
            raise ValueError("a field with nested fields takes neither attribute nor type")
        return self


class ExtractStructuredParams(PageParams):
    fields: Annotated[dict[Identifier, StructuredField], Field(min_length=1, max_length=50)]


class ExtractStructuredResult(PageResult):
    data: JsonObject


class ExtractLinksParams(PageParams):
    """Return the links inside `selector`, or of the whole page without it.

    `only` limits them to the page's own origin, or to other origins. Addresses that differ only in
    their fragment count once.
    """

    selector: Selector | None = None
    only: Literal["in_origin", "out_of_origin"] | None = None
    limit: Annotated[int, Field(ge=1, le=5_000)] = 1_000


class Link(ValueObject):
    url: ForeignUrl
    text: Annotated[str, Field(pattern=NO_NUL, max_length=300)]
    in_origin: bool
    nofollow: bool = False


class ExtractLinksResult(PageResult):
    """`total` counts all links found, including those beyond `limit`."""

    links: tuple[Link, ...]
    total: Annotated[int, Field(ge=0, le=2**31)]
    truncated: bool = False


class CrawlSiteParams(PageParams):
    """Read the pages of one origin, found from `url` by links and by the site's sitemap.

    Pages that robots.txt forbids are skipped. `timeout_ms` limits the whole crawl; pages read
    until then are returned. `include` and `exclude` are prefixes of paths: a page is read if its
    path begins with one of `include` (or none is given) and with none of `exclude`.
    """

    timeout_ms: Annotated[int, Field(ge=1, le=240_000)] | None = None
    max_pages: Annotated[int, Field(ge=1, le=100)] = 10
    max_depth: Annotated[int, Field(ge=0, le=10)] = 2
    content: Literal["text", "markdown", "none"] = "text"
    sitemap: bool = True
    include: Annotated[tuple[Selector, ...], Field(max_length=20)] = ()
    exclude: Annotated[tuple[Selector, ...], Field(max_length=20)] = ()


class CrawledPage(ValueObject):
    """`failure_reason` says why a page could not be read."""

    url: ForeignUrl
    depth: Annotated[int, Field(ge=0, le=10)]
    status: Annotated[int, Field(ge=100, le=599)] | None = None
    title: ShortText | None = None
    content: ForeignText | None = None
    truncated: bool = False
    links: Annotated[int, Field(ge=0, le=2**31)] = 0
    failure_reason: Identifier | None = None


class CrawlSiteResult(ValueObject):
    """`stopped` says why the crawl ended; `left` counts pages that were found and not read."""

    url: ForeignUrl
    pages: tuple[CrawledPage, ...]
    stopped: Literal["complete", "max_pages", "timeout", "browser_ended"]
    left: Annotated[int, Field(ge=0, le=2**31)] = 0
    disallowed: Annotated[int, Field(ge=0, le=2**31)] = 0
