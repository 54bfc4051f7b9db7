"""Checks the types and the lengths of what was read from a page, before anything else is done."""

from typing import Final, cast

from msaas.worker import ActionFailed

MAX_TITLE: Final = 1_000


def get_text(value: object, longest: int) -> str:
    if not isinstance(value, str):
        raise build_unreadable()
    return value[:longest]


def get_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise build_unreadable()
    return value


def get_items(value: object, most: int) -> list[object]:
    if not isinstance(value, list):
        raise build_unreadable()
    return cast("list[object]", value)[:most]


def get_tuple(value: object, count: int) -> list[object]:
    """Return exactly so many values."""
    items = get_items(value, count)
    if len(items) != count:
        raise build_unreadable()
    return items


def read_cut_text(raw: object, longest: int) -> tuple[str, str, bool]:
    """Return a title, a text, and whether the text was cut."""
    title, text, truncated = get_tuple(raw, 3)
    return get_text(title, MAX_TITLE), get_text(text, longest), get_flag(truncated)


def build_unreadable() -> ActionFailed:
    return ActionFailed("page_failed", "The page could not be read.", retryable=True)
