"""Reads of a robots.txt the rules that concern us, in one pass and within limits.

The file is a stranger's. The parser multiplies the user agents of a group by its rules and keeps
all of them, so it is given a single group, which holds no more than a limited number of rules.
"""

import re
from collections.abc import Iterator
from typing import Final

from protego import Protego

USER_AGENT: Final = "msaas"
MAX_ROBOTS: Final = 512 * 1024
"""As much of a file as is read; RFC 9309 asks for 500 KiB at least."""

_MAX_RULES: Final = 1_000
_MAX_RULES_LENGTH: Final = 64 * 1024
_MAX_WILDCARDS: Final = 2_000
_MAX_LINE: Final = 2_048
_MAX_SITEMAPS: Final = 100
_LINE: Final = re.compile(r"[^\r\n]+")
_PRODUCT: Final = re.compile(r"[a-z_-]+")
_USER_AGENT_LINE: Final = re.compile(r"user[- ]?agent\s*[:\s]\s*", re.IGNORECASE)
_SITEMAP_LINE: Final = re.compile(r"site-?maps?\s*[:\s]\s*", re.IGNORECASE)
# The spellings of a rule that the parser knows all begin like this.
_RULE_LINE: Final = re.compile(r"allow|dis|diasllow|crawl[- ]delay", re.IGNORECASE)


class _Rules:
    """The rules of all groups of one user agent; those beyond the limits are left out."""

    def __init__(self) -> None:
        self.is_named = False
        self.lines: list[str] = []
        self._length = self._wildcards = 0

    def add(self, line: str) -> None:
        length, wildcards = self._length + len(line), self._wildcards + line.count("*")
        is_within_limits = (
            len(self.lines) < _MAX_RULES
            and length <= _MAX_RULES_LENGTH
            and wildcards <= _MAX_WILDCARDS
        )
        if is_within_limits:
            self.lines.append(line)
            self._length, self._wildcards = length, wildcards


class RobotsRules:
    """What a site allows `USER_AGENT` to read."""

    def __init__(self, text: str) -> None:
        self.sitemaps: list[str] = []
        self._own, self._common = _Rules(), _Rules()
        self._read(text[:MAX_ROBOTS].removeprefix("\ufeff"))
        rules = self._own if self._own.is_named else self._common
        self._parser = Protego.parse("\n".join(["User-agent: *", *rules.lines]))

    @property
    def delay(self) -> float:
        return float(self._parser.crawl_delay(USER_AGENT) or 0.0)

    def allows(self, url: str) -> bool:
        return self._parser.can_fetch(url, USER_AGENT)

    def _read(self, text: str) -> None:
        """Sort the rules into our own and those of everybody, after the user agents above them."""
        named: list[_Rules] = []
        is_among_agents = False
        for line in _list_lines(text):
            if agent := _USER_AGENT_LINE.match(line):
                named = named if is_among_agents else []
                is_among_agents = True
                self._add_agent(named, line[agent.end() :])
            elif sitemap := _SITEMAP_LINE.match(line):
                if len(self.sitemaps) < _MAX_SITEMAPS:
                    self.sitemaps.append(line[sitemap.end() :])
            elif _RULE_LINE.match(line):
                is_among_agents = False
                for rules in named:
                    rules.add(line)

    def _add_agent(self, named: list[_Rules], agent: str) -> None:
        product = _PRODUCT.match(agent.lower())
        is_ours = product is not None and product.group() == USER_AGENT
        rules = self._own if is_ours else self._common if agent == "*" else None
        if rules is not None and rules not in named:
            rules.is_named = True
            named.append(rules)


def _list_lines(text: str) -> Iterator[str]:
    """List the lines without their comments; a line that is longer than any URL holds no rule."""
    for found in _LINE.finditer(text):
        if found.end() - found.start() <= _MAX_LINE:
            yield found.group().partition("#")[0].strip()
