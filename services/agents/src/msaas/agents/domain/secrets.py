"""Recognises keys, tokens and card numbers, which no answer and no address may contain."""

import re
from collections.abc import Iterable
from typing import Final

_SECRETS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
        r"\b(?:sk|pk|rk)[-_](?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{12,}",
        r"\b(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{10,}",
        r"\bwhsec_[A-Za-z0-9]{16,}",
        r"\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}",
        r"\bglpat-[A-Za-z0-9_-]{16,}",
        r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
        r"\bAIza[A-Za-z0-9_-]{30,}",
        r"\bhf_[A-Za-z0-9]{20,}|\bnpm_[A-Za-z0-9]{30,}|\bpypi-[A-Za-z0-9_-]{40,}",
        r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
        r"(?i)\bbearer\s+[A-Za-z0-9._~+/-]{20,}",
        r"(?i)\b(?:password|passwd|api[-_ ]?key|secret|token)\s*[:=]\s*[^\s,;]{8,}",
        r"\b[a-z][a-z0-9+.-]*://[^\s/:@]+:[^\s/@]+@",
        r"\b(?:[A-Z0-9]+-)*CANARY-[A-Z0-9-]{4,}",  # planted to be noticed where it comes out
    )
)
_CARD: Final = re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d.])")


def contains_secret(text: str, canaries: Iterable[str] = ()) -> bool:
    return (
        any(secret.search(text) for secret in _SECRETS)
        or any(_is_card(found.group()) for found in _CARD.finditer(text))
        or any(canary in text for canary in canaries)
    )


def _is_card(text: str) -> bool:
    """Whether digits have the length, the beginning and the check digit of a card number."""
    digits = [int(character) for character in text if character.isdigit()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]  # noqa: PLR2004 (Luhn)
    return digits[0] in {2, 3, 4, 5, 6} and (sum(doubled) + sum(digits[-1::-2])) % 10 == 0
