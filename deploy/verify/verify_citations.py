"""Verifies the citations of a run's result, with Python 3.11 alone.

RESULT is the result of a run as the API answers it; PAGES is a JSON list of pages, each with `url`
and `text`. The exit code is 0 where each citation is literally at its place and each line of the
answer names one, 1 where the output names what is not, and 2 for an unreadable file.
"""

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NO_ANSWER = "No answer was found in the pages."


def check_citation(citation: dict[str, Any], pages: list[dict[str, Any]]) -> str | None:
    digest, start, end = citation["sha256"], citation["start"], citation["end"]
    texts = [page["text"] for page in pages if page["url"] == citation["url"]]
    found = [text for text in texts if hashlib.sha256(text.encode()).hexdigest() == digest]
    if not found or not 0 <= start < end <= len(found[0]):
        return f"{citation['url']} has no characters {start} to {end} in a text with this hash"
    return None if found[0][start:end] == citation["quote"] else "the text says something else"


def check_result(result: dict[str, Any], pages: list[dict[str, Any]]) -> Iterator[str]:
    cited = result["citations"]
    sourced = [(f"citation {at}", each) for at, each in enumerate(cited, start=1)]
    values = [each for each in result.get("evidence", []) if each["source"]]
    sourced += [(f"value {each['pointer']}", each["source"]) for each in values]
    for name, citation in sourced:
        if problem := check_citation(citation, pages):
            yield f"{name}: {problem}"
    for line in (result.get("answer") or result.get("summary") or "").splitlines():
        numbers = [int(number) for number in re.findall(r"\[(\d+)\]", line)]
        known = numbers and all(1 <= number <= len(cited) for number in numbers)
        if not known and line != NO_ANSWER:
            yield f"the line {line!r} names no citation"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs=2, metavar=("RESULT", "PAGES"))
    try:
        result, pages = (json.loads(file.read_bytes()) for file in parser.parse_args().files)
        problems = list(check_result(result, pages))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        print(f"unreadable: {type(error).__name__}: {error}")
        return 2
    for problem in problems:
        print(f"not ok: {problem}")
    print(f"{'not ok' if problems else 'ok'}: {len(result['citations'])} citations")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
