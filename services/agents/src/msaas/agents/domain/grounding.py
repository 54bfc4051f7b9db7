"""Finds what an answer claims in the texts that it is from; what is not there is dropped."""

import re
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from msaas.agents.domain.evidence import Document, Passage
from msaas.agents.domain.secrets import contains_secret

MAX_QUOTE = 4_000
_MARKER = re.compile(r"\s*\[(\d{1,3})\]")
_END_OF_SENTENCE = re.compile(r"(?<=[.!?])((?:\s*\[\d{1,3}\])*)\s+|\n+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_ADDRESS = re.compile(
    r"[a-z][a-z0-9+.-]*://\S+|\b(?:data|blob|javascript|mailto):\S+|\S+@\S+\.\S+"
    r"|\b(?:[a-z0-9-]+\.)+[a-z]{2,}(?:/\S*)?",
    re.IGNORECASE,
)
_QUOTED = re.compile(r'["“„«]([^"”“»]{12,})["”“»]')
_TRAILING = ".,;:!?)]}'\"”"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundedAnswer:
    """`answer` names its citations by number, from 1; `dropped` counts sentences left out."""

    answer: str
    citations: tuple[Passage, ...]
    dropped: int


def find_passage(document: Document, quote: str) -> Passage | None:
    """Return the quote's place in the text; runs of white space count as one blank."""
    words = quote.split()
    if not words or len(quote) > MAX_QUOTE:
        return None
    found = re.search(r"\s+".join(map(re.escape, words)), document.text)
    return None if found is None else cut(document, found.start(), found.end())


def cut(document: Document, start: int, end: int) -> Passage:
    return Passage(
        url=document.url,
        sha256=document.digest,
        start=start,
        end=end,
        text=document.text[start:end],
        job_id=document.job_id,
    )


def is_literal(passage: Passage, document: Document | None) -> bool:
    """Whether the passage is in the document at the place that it names."""
    return (
        document is not None
        and document.digest == passage.sha256
        and 0 <= passage.start < passage.end <= len(document.text)
        and document.text[passage.start : passage.end] == passage.text
    )


def narrow(passage: Passage, quote: str) -> Passage | None:
    """Return the part of the passage that is the quote."""
    words = quote.split()
    found = re.search(r"\s+".join(map(re.escape, words)), passage.text) if words else None
    if found is None:
        return None
    return replace(
        passage,
        start=passage.start + found.start(),
        end=passage.start + found.end(),
        text=found.group(),
    )


def split_sentences(text: str) -> list[str]:
    """Return the sentences, each with the citation markers that follow its full stop."""
    sentences: list[str] = []
    at = 0
    for found in _END_OF_SENTENCE.finditer(text):
        sentences.append(text[at : found.start()] + (found.group(1) or ""))
        at = found.end()
    sentences.append(text[at:])
    return [sentence.strip() for sentence in sentences if sentence.strip()]


def ground_answer(
    draft: str, evidence: Sequence[Passage], limit: int, *, literal: AbstractSet[Passage]
) -> GroundedAnswer:
    """Keep the sentences that the evidence supports, with at most `limit` citations.

    A sentence names its passages as [1], or is literally in one of them. Evidence that is not in
    `literal` keeps its number and supports nothing. A sentence with a secret is left out.
    """
    sound = [each for each in evidence if each in literal]
    citations: dict[Passage, int] = {}
    kept: list[str] = []
    dropped = 0
    for sentence in split_sentences(draft):
        body = " ".join(_MARKER.sub("", sentence).split())
        if not re.search(r"\w", body):
            continue
        named = _read_markers(sentence, evidence)
        cited = _cite(body, named, sound) if literal >= set(named) else []
        if contains_secret(body) or not cited or len(citations.keys() | set(cited)) > limit:
            dropped += 1
            continue
        numbers = [citations.setdefault(passage, len(citations) + 1) for passage in cited]
        kept.append(body + "".join(f" [{number}]" for number in numbers))
    return GroundedAnswer(answer="\n".join(kept), citations=tuple(citations), dropped=dropped)


def _read_markers(sentence: str, evidence: Sequence[Passage]) -> list[Passage]:
    numbers = dict.fromkeys(int(number) for number in _MARKER.findall(sentence))
    return [evidence[number - 1] for number in numbers if 1 <= number <= len(evidence)]


def _cite(body: str, named: Sequence[Passage], evidence: Iterable[Passage]) -> list[Passage]:
    literal = next((part for each in named or evidence if (part := narrow(each, body))), None)
    if literal is not None:
        return [literal]
    return list(named) if named and is_supported(body, [each.text for each in named]) else []


def is_supported(sentence: str, texts: Sequence[str]) -> bool:
    """Whether the numbers, addresses and quotations of a sentence are in the texts."""
    whole = " ".join(" ".join(texts).split())
    addresses = {found.group().rstrip(_TRAILING) for found in _ADDRESS.finditer(sentence)}
    quotations = {" ".join(quoted.split()) for quoted in _QUOTED.findall(sentence)}
    return (
        _read_numbers(sentence) <= _read_numbers(whole)
        and all(address in whole for address in addresses)
        and all(quotation in whole for quotation in quotations)
    )


def _read_numbers(text: str) -> set[str]:
    return set(_NUMBER.findall(_THOUSANDS.sub("", text)))
