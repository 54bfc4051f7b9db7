"""The content of the pages: always the same, with no external resources."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final, NamedTuple

PER_PAGE: Final = 10
_NAV: Final = {"/": "Home", "/article": "Article", "/list": "Lights", "/form": "Report"}
_PLACES: Final = ("Anvil", "Bramble", "Cormorant", "Driftwood", "Ember", "Foundling", "Gannet")
_KINDS: Final = ("Head", "Point", "Rock", "Sound", "Reef", "Ness")
_COLOURS: Final = ("white", "red", "green")


class Light(NamedTuple):
    number: int
    name: str
    built: int
    height: int
    range_miles: int
    character: str


LIGHTS: Final[Sequence[Light]] = tuple(
    Light(
        number=number,
        name=f"{_PLACES[(number - 1) % 7]} {_KINDS[(number - 1) // 7 % 6]}",
        built=1790 + (number * 37) % 160,
        height=12 + (number * 11) % 49,
        range_miles=9 + (number * 5) % 20,
        character=f"{1 + number % 4} {_COLOURS[number % 3]} every {5 + number % 11} s",
    )
    for number in range(1, 43)
)
LAST_PAGE: Final = -(-len(LIGHTS) // PER_PAGE)


def home() -> str:
    return _page(
        "The Lantern Almanac",
        """
        <p class="lead">A yearly register of the lights along a coast that does not exist, kept so
        that a browser has something to read.</p>
        <div class="cards">
          <a class="card" href="/article"><h2>How a light is read</h2>
            <p>An article with headings and a table.</p></a>
          <a class="card" href="/list"><h2>The register</h2>
            <p>Forty-two lights on five pages.</p></a>
          <a class="card" href="/late"><h2>The late post</h2>
            <p>Arrives by script, a moment after the page.</p></a>
          <a class="card" href="/form"><h2>Report a light</h2>
            <p>A form that answers.</p></a>
        </div>
        <p class="small">To try a worker's patience: <a href="/slow?ms=2000">a slow page</a>,
        <a href="/redirect">a page that has moved</a>, <a href="/nowhere">a page that is not
        there</a>.</p>
        """,
    )


def article() -> str:
    return _page(
        "How a light is read",
        f"""
        <article id="article">
          <p class="lead">Every light speaks in its own rhythm, so that a ship knows by night which
          one it sees.</p>
          <img src="/assets/rhythm.svg" alt="Three rhythms drawn as bars" width="640" height="120">
          <h2>Colour</h2>
          <p>White carries furthest. Red and green are kept for sectors: red where the water is
          shallow, green where it is deep.</p>
          <h2>Rhythm</h2>
          <p>A light that is longer on than off is called <em>occulting</em>; one that is longer
          off than on is called <em>flashing</em>. The period is counted from the first flash to
          the first of the next group.</p>
          <h2>Range</h2>
          <p>Height and brightness decide together: a lamp on a cliff is seen before a brighter one
          on the shore.</p>
          <h3>Five lights to begin with</h3>
          {_table(LIGHTS[:5])}
        </article>
        """,
    )


def list_page(page: int) -> str:
    first = (page - 1) * PER_PAGE
    pages = " ".join(
        f'<a href="/list?page={number}"{_current(number == page)}>{number}</a>'
        for number in range(1, LAST_PAGE + 1)
    )
    following = f'<a rel="next" href="/list?page={page + 1}">Next</a>' if page < LAST_PAGE else ""
    return _page(
        f"The register, page {page} of {LAST_PAGE}",
        f'{_table(LIGHTS[first : first + PER_PAGE])}<p class="pages">{pages} {following}</p>',
    )


def late_content() -> str:
    return _page(
        "The late post",
        '<p id="early">The post is on its way.</p><script src="/assets/late.js"></script>',
    )


def slow(ms: int) -> str:
    return _page("A slow page", f'<p id="slow">This page took {ms} ms to answer.</p>')


def form() -> str:
    return _page(
        "Report a light",
        """
        <form method="post" action="/form">
          <label>Light <input name="light" value="Anvil Head" required></label>
          <label>What you saw <textarea name="seen" rows="4"></textarea></label>
          <button>Send</button>
        </form>
        """,
    )


def form_received(fields: Mapping[str, str]) -> str:
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
        for name, value in fields.items()
    )
    return _page("Thank you", f'<p>Your report is noted.</p><table id="report">{rows}</table>')


def not_found() -> str:
    return _page("No such page", '<p id="missing">The almanac has no page of that name.</p>')


def _table(lights: Sequence[Light]) -> str:
    rows = "".join(
        f"<tr><td>{light.number}</td><td>{light.name}</td><td>{light.built}</td>"
        f"<td>{light.height} m</td><td>{light.range_miles} nm</td><td>{light.character}</td></tr>"
        for light in lights
    )
    heads = "".join(
        f"<th>{head}</th>" for head in ("No.", "Light", "Built", "Height", "Range", "Character")
    )
    return f'<table class="lights"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'


def _page(title: str, body: str) -> str:
    links = " ".join(f'<a href="{path}">{name}</a>' for path, name in _NAV.items())
    return f"""<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{escape(title)} · Lantern Almanac</title>
  <link rel="icon" href="/assets/lamp.svg">
  <link rel="stylesheet" href="/assets/site.css">
</head>
<body>
  <header><img src="/assets/lamp.svg" alt="" width="28" height="28"><nav>{links}</nav></header>
  <main><h1>{escape(title)}</h1>{body}</main>
  <footer>A made-up almanac for trying things out.</footer>
</body>
</html>
"""


def _current(is_current: bool) -> str:  # noqa: FBT001  # the only argument
    return ' aria-current="page"' if is_current else ""
