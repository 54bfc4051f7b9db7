"""Pages that explain each problem: `/problems` and `/problems/{code}`."""

import base64
import hashlib
from functools import cache
from html import escape
from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from msaas.contracts import PROBLEMS, ProblemType, get_translated_problem
from msaas.web.problems import negotiate_language

router = APIRouter(prefix="/problems", include_in_schema=False)

_STYLE: Final = """
:root { color-scheme: light dark; font: 1.05rem/1.6 system-ui, sans-serif; }
body { margin: 3rem auto; max-width: 42rem; padding: 0 1.25rem; }
h1 { font-size: 1.7rem; line-height: 1.25; }
h2 { font-size: 1.05rem; margin: 1.75rem 0 .25rem; }
p { margin: 0 0 .75rem; }
code { font-family: ui-monospace, monospace; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid color-mix(in srgb, currentColor 25%, transparent);
  padding: .45rem .75rem .45rem 0; text-align: left; vertical-align: top; }
a { color: LinkText; }
a:focus-visible { outline: 3px solid Highlight; outline-offset: 2px; }
"""
_TRANSLATIONS: Final = {
    "en": {
        "all": "All problems",
        "intro": "Every error of the API is one of these; its <code>code</code> says which.",
        "status": "Status",
        "code": "Code",
        "meaning": "Meaning",
        "cause": "What happened",
        "action": "What to do",
        "again": "Try again?",
        "yes": "Yes: the same request may succeed later.",
        "no": "Not as it is: the same request will fail again.",
    },
    "de": {
        "all": "Alle Probleme",
        "intro": "Jeder Fehler der API ist einer von diesen; sein <code>code</code> sagt, welcher.",
        "status": "Status",
        "code": "Code",
        "meaning": "Bedeutung",
        "cause": "Was geschehen ist",
        "action": "Was zu tun ist",
        "again": "Noch einmal versuchen?",
        "yes": "Ja: Dieselbe Anfrage kann später gelingen.",
        "no": "So nicht: Dieselbe Anfrage wird wieder scheitern.",
    },
}


@router.get("")
async def list_problems(request: Request) -> Response:
    language = negotiate_language(request.scope)
    return _page(language, _render_list(language))


@router.get("/{code}")
async def read_problem(code: str, request: Request) -> Response:
    if code not in PROBLEMS:
        raise HTTPException(404)
    language = negotiate_language(request.scope)
    return _page(language, _render_problem(language, code))


@cache
def _render_list(language: str) -> str:
    texts = _TRANSLATIONS[language]
    rows = "".join(
        f'<tr><td>{kind.status}</td><td><a href="/problems/{kind.code}"><code>{kind.code}</code>'
        f"</a></td><td>{escape(kind.title)}</td></tr>"
        for kind in sorted(_problems(language), key=lambda kind: (kind.status, kind.code))
    )
    heads = "".join(f'<th scope="col">{texts[name]}</th>' for name in ("status", "code", "meaning"))
    body = f"<p>{texts['intro']}</p><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody>"
    return _document(language, texts["all"], f"{body}</table>")


@cache
def _render_problem(language: str, code: str) -> str:
    texts, problem = _TRANSLATIONS[language], get_translated_problem(language, code)
    again = texts["yes"] if problem.retryable else texts["no"]
    parts = (
        f"<p>{texts['status']} {problem.status} · <code>{code}</code></p>",
        *(
            f"<h2>{texts[name]}</h2><p>{escape(text)}</p>"
            for name, text in (
                ("cause", problem.cause),
                ("action", problem.action),
                ("again", again),
            )
        ),
        f'<p><a href="/problems">{texts["all"]}</a></p>',
    )
    return _document(language, problem.title, "".join(parts))


def _problems(language: str) -> list[ProblemType]:
    return [get_translated_problem(language, code) for code in PROBLEMS]


def _document(language: str, title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )


def _page(language: str, html: str) -> Response:
    headers = {
        "content-language": language,
        "vary": "accept-language",
        "cache-control": "public, max-age=3600",
        "content-security-policy": _content_security_policy(),
    }
    return Response(html, headers=headers, media_type="text/html")


@cache
def _content_security_policy() -> str:
    """Allow only the inline style of the page, by its hash."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
