"""Pages and robots.txt files that a seed decides: the hostile things are combined at random."""

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

_MAX_ROBOTS: Final = 1_000_000
_LIES: Final = (
    *("String.prototype.slice", "String.prototype.toString", "Array.prototype.map", "Array.from"),
    *("JSON.stringify", "Object.entries", "Object.keys", "Function.prototype.call"),
    *("Element.prototype.getAttribute", "Element.prototype.querySelectorAll"),
    *("Element.prototype.getBoundingClientRect", "Node.prototype.cloneNode", "Promise.resolve"),
)
_GETTERS: Final = (
    *("HTMLElement.prototype.innerText", "Node.prototype.textContent", "Document.prototype.title"),
    *("Element.prototype.outerHTML", "Element.prototype.scrollHeight"),
    *("HTMLAnchorElement.prototype.href", "Document.prototype.body", "NodeList.prototype.length"),
)
_VALUES: Final = (
    *("'false'.repeat(1 << 24)", "null", "{}", "7", "this", "new Proxy([], {})", "Symbol()"),
    "(() => { throw new Error('x'.repeat(1 << 20)) })()",
)
_ENDLESS: Final = "for (;;) {}"


def build_page(seed: int) -> str:
    random = Random(seed)  # noqa: S311  # a seed gives the same page again
    parts = random.choices(_PARTS, k=random.randint(1, 4))
    body = "".join(build(random) for build in parts)
    return f"<!doctype html><title>{seed}</title><p>page {seed}</p>{body}"


def build_robots(seed: int) -> bytes:
    random = Random(seed)  # noqa: S311  # a seed gives the same file again
    newline = random.choice([b"\n", b"\r\n", b"\r"])
    lines: list[bytes] = []
    for _ in range(random.randint(1, 4)):
        lines += random.choice(_GROUPS)(random)
    start = random.choice([b"", b"\xef\xbb\xbf", b"\0", b"\xff\xfe"])
    return start + newline.join(lines)[:_MAX_ROBOTS]


def _build_deep(random: Random) -> str:
    return random.choice(["<div>", "<table><td>", "<svg><g>", "<b><i>"]) * random.randint(1, 40_000)


def _build_many(random: Random) -> str:
    each = random.choice(["<p>x</p>", "<a href=/a?b>c</a>", "<img>", "<!--x-->", "&amp;"])
    return each * random.randint(1_000, 200_000)


def _build_long(random: Random) -> str:
    text = random.choice(["x", "\u202e", "&#0;", "\U0001f600"]) * random.randint(1_000, 2_000_000)
    tag = random.choice(["<p title='{}'>", "<a href='/{}'>l</a>", "<title>{}</title>"])
    return tag.format(text)


def _build_wide(random: Random) -> str:
    width, height = random.randint(1_000, 40_000), random.randint(1_000, 40_000)
    style = f"width:{width}px;height:{height}px;background:linear-gradient(45deg,red,blue)"
    return f"<div style='{style};{random.choice(['', 'filter:blur(90px)', 'transform:scale(9)'])}'>"


def _build_lies(random: Random) -> str:
    value = random.choice(_VALUES)
    lies = random.choices(_LIES, k=5)
    script = "".join(f"try {{ {name} = () => {value} }} catch (e) {{}}\n" for name in lies)
    for name in random.choices(_GETTERS, k=4):
        owner, _, attribute = name.rpartition(".")
        getter = f"{{get: () => {value}, configurable: true}}"
        script += f"try {{ Object.defineProperty({owner}, {attribute!r}, {getter}) }} catch {{}}\n"
    return f"<script>{script}</script>"


def _build_hoard(random: Random) -> str:
    size, pause = random.randint(1, 32), random.randint(20, 200)
    made = random.choice(
        [
            "new Uint8Array({n}).fill(kept.length)",
            "new Blob([new Uint8Array({n}).fill(kept.length)])",
            "'x'.repeat({n}) + kept.length",
            "Array.from({{length: {n} >> 4}}, () => ({{}}))",
        ]
    ).format(n=size << 20)
    return f"<script>const kept = []; setInterval(() => kept.push({made}), {pause})</script>"


def _build_busy(random: Random) -> str:
    worker = f"new Worker(URL.createObjectURL(new Blob([{json.dumps(_ENDLESS)}])))"
    return random.choice(
        [
            f"<script>setTimeout(() => {{ {_ENDLESS} }}, {random.randint(0, 500)})</script>",
            f"<script>for (let i = 0; i < 20; i++) {worker}</script>",
            "<script>(function again() { Promise.resolve().then(again) })()</script>",
            "<script>for (;;) document.write('<p>' + Math.random())</script>",
            "<script>/(x+x+)+y/.test('x'.repeat(60))</script>",
        ]
    )


def _build_restless(random: Random) -> str:
    act = random.choice(
        [
            "alert(1)",
            "open('/generated/' + Math.random())",
            "history.pushState({}, '', '?' + Math.random())",
            "location = '#' + 'x'.repeat(1 << 16) + Math.random()",
            "fetch('/?' + Math.random())",
            "document.title = 'x'.repeat(1 << 20) + Math.random()",
            "new EventSource('/silent?' + Math.random())",
            "document.body.append(document.createElement('iframe'))",
        ]
    )
    return f"<script>setInterval(() => {{ {act} }}, {random.randint(0, 50)})</script>"


_PARTS: Final[Sequence[Callable[[Random], str]]] = (
    *(_build_deep, _build_many, _build_long, _build_wide),
    *(_build_lies, _build_hoard, _build_busy, _build_restless),
)


def _list_agents_and_rules(random: Random) -> list[bytes]:
    """Name many agents above many rules, which a parser may multiply."""
    agents = [b"User-agent: a%d" % number for number in range(random.randint(1, 8_000))]
    own = random.choice([b"User-agent: msaas", b"User-agent: *", b"user agent msaas"])
    rules = [b"Disallow: /a%d" % number for number in range(random.randint(1, 20_000))]
    return [*agents, own, *rules]


def _list_wildcards(random: Random) -> list[bytes]:
    pattern = random.choice([b"/*a", b"*", b"/a*b*$", b"/%2a*"]) * random.randint(1, 900)
    return [b"User-agent: *", *[b"Disallow: " + pattern] * random.randint(1, 500)]


def _list_groups(random: Random) -> list[bytes]:
    agent = random.choice([b"User-agent: msaas", b"User-agent: *"])
    return [agent, b"Disallow: /x", b"Allow: /", b"Crawl-delay: 1e9"] * random.randint(1, 5_000)


def _list_sitemaps(random: Random) -> list[bytes]:
    number = random.randint(1, 20_000)
    return [b"Sitemap: http://127.0.0.1:1/" + b"s" * random.randint(1, 3_000)] * number


def _list_noise(random: Random) -> list[bytes]:
    long = random.choice([b"x", b"#", b":", b"\0", b" ", b"\xff"]) * random.randint(1, 500_000)
    return [long, random.randbytes(random.randint(1, 100_000)), b"User-agent:" + long]


_GROUPS: Final[Sequence[Callable[[Random], list[bytes]]]] = (
    *(_list_agents_and_rules, _list_wildcards, _list_groups, _list_sitemaps, _list_noise),
)
