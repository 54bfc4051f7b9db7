"""Sets page text apart from instructions in a prompt, and scores how much it looks like one.

This is the second layer: nothing is allowed or refused because of it.
"""

import re
import unicodedata
from hashlib import sha256

_ORDERS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instruction|prompt|rule|above|previous|prior)",
        r"\b(?:system|developer|admin(?:istrator)?)\s*(?:prompt|message|note|override|:)",
        r"\b(?:you are|act as|pretend to be)\b.{0,30}\b(?:now|an?|the)\b",
        r"\b(?:assistant|agent|ai|model|llm)s?\b.{0,40}\b(?:must|should|shall|need to|have to)\b",
        (
            r"\b(?:send|post|upload|transfer|forward|exfiltrate|leak|reveal|print)\b.{0,60}"
            r"\b(?:password|secret|token|key|credential|cookie|conversation|history|data)"
        ),
        r"<\s*/?\s*(?:system|instruction|important|tool|function|assistant)\b",
        r"\b(?:call|use|invoke|run|execute)\b.{0,30}\b(?:tool|function|command|api)\b",
        r"\bdo not (?:tell|inform|mention|alert)\b",
    )
)


def spotlight(text: str) -> str:
    """Return the text between delimiters that it cannot contain: they are made from its hash."""
    shown = "".join(map(_show, text))
    name = sha256(shown.encode()).hexdigest()[:16]
    return f"<<<page {name}\n{shown}\npage {name}>>>"


def _show(character: str) -> str:
    """Make characters visible that a person does not see and a model reads."""
    if character in "\n\t\xad" or unicodedata.category(character) not in {"Cf", "Cc", "Co", "Cn"}:
        return character
    return "\ufffd"


def score_suspicion(text: str) -> int:
    """Return how many kinds of orders to a model the text contains."""
    return sum(order.search(text) is not None for order in _ORDERS)
