"""What has changed between two texts of a page, by lines."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final, Literal

from msaas.agents.domain.evidence import Document, Passage
from msaas.agents.domain.grounding import cut

MAX_LINES: Final = 4_000
MAX_CHANGES: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class TextChange:
    kind: Literal["added", "removed", "changed"]
    before: Passage | None = None
    after: Passage | None = None


def find_changes(before: Document, after: Document) -> list[TextChange]:
    """Return the lines that differ, in the order of the page; empty lines do not count."""
    old, new = _split(before), _split(after)
    matcher = SequenceMatcher(
        None, [each.text for each in old], [each.text for each in new], autojunk=False
    )
    changes: list[TextChange] = []
    for tag, from_old, to_old, from_new, to_new in matcher.get_opcodes():
        if tag != "equal":
            changes += _pair(old[from_old:to_old], new[from_new:to_new])
    return changes[:MAX_CHANGES]


def _pair(old: list[Passage], new: list[Passage]) -> Iterator[TextChange]:
    both = min(len(old), len(new))
    for before, after in zip(old[:both], new[:both], strict=True):
        yield TextChange(kind="changed", before=before, after=after)
    for before in old[both:]:
        yield TextChange(kind="removed", before=before)
    for after in new[both:]:
        yield TextChange(kind="added", after=after)


def _split(document: Document) -> list[Passage]:
    """Return the lines, each as a passage without the blanks around it."""
    lines: list[Passage] = []
    at = 0
    for line in document.text.splitlines(keepends=True):
        if text := line.strip():
            start = at + line.index(text)
            lines.append(cut(document, start, start + len(text)))
        at += len(line)
    return lines[:MAX_LINES]
