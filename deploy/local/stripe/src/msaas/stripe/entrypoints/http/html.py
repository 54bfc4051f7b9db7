"""The frame of the hosted pages: plain HTML that works without scripts."""

from html import escape
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

STYLE: Final = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 0 auto; max-width: 32rem; padding: 1.5rem }
table { border-collapse: collapse; width: 100% } td, th { padding: .4rem 0; text-align: left }
td:last-child, th:last-child { text-align: right }
label { display: block; margin-top: .8rem } .check { display: flex; gap: .5rem }
input[type=text], input[type=email], select { box-sizing: border-box; font: inherit;
  padding: .5rem; width: 100% }
button { font: inherit; margin-top: 1rem; padding: .6rem 1.2rem }
:focus-visible { outline: 3px solid #635bff; outline-offset: 2px }
.notice { border-left: 4px solid #635bff; padding: .2rem .8rem }
.error { border-left: 4px solid #b3261e; padding: .2rem .8rem }
"""
_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src data:; "
    "base-uri 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def render_page(title: str, content: str, *, error: str = "", status: int = 200) -> Response:
    problem = f'<p class="error" role="alert">{escape(error)}</p>' if error else ""
    return HTMLResponse(
        f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/assets/style.css">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
</head>
<body>
<main>
<h1>{escape(title)}</h1>
<p class="notice">Local stand-in for Stripe: no real card is charged.</p>
{problem}
{content}
</main>
</body>
</html>""",
        status,
        _HEADERS,
    )


def money(amount: int, currency: str) -> str:
    sign = "-" if amount < 0 else ""
    return f"{sign}{abs(amount) // 100}.{abs(amount) % 100:02} {currency.upper()}"


async def read_form(request: Request) -> dict[str, str]:
    body = (await request.body()).decode(errors="replace")
    return dict(parse_qsl(body, keep_blank_values=True))
