"""Translated problem texts: English is in the code, each other language has a file."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

from msaas.contracts.problems import PROBLEMS, ProblemType, get_problem

DEFAULT_LANGUAGE: Final = "en"
LANGUAGES: Final = (DEFAULT_LANGUAGE, "de")
_MAX_OFFERS: Final = 16


def get_translated_problem(language: str, code: str) -> ProblemType:
    """Return the problem with its texts in one of LANGUAGES."""
    return get_problem(code) if language == DEFAULT_LANGUAGE else _load_translations(language)[code]


@lru_cache(maxsize=256)
def choose_language(accepted: str) -> str:
    """Return the preferred supported language of an Accept-Language header, or else English."""
    best, weight = DEFAULT_LANGUAGE, 0.0
    for offer in accepted.split(",", _MAX_OFFERS)[:_MAX_OFFERS]:
        tag, _, rest = offer.strip().partition(";")
        language = tag.partition("-")[0].lower()
        quality = _quality(rest)
        if language in LANGUAGES and quality > weight:
            best, weight = language, quality
    return best


def _quality(text: str) -> float:
    name, _, value = text.replace(" ", "").partition("=")
    if name != "q":
        return 1.0
    return float(value) if value.replace(".", "", 1).isdecimal() else 0.0


@cache
def _load_translations(language: str) -> Mapping[str, ProblemType]:
    text = files("msaas.contracts").joinpath(f"problems.{language}.json").read_text("utf-8")
    return {code: replace(PROBLEMS[code], **texts) for code, texts in json.loads(text).items()}
