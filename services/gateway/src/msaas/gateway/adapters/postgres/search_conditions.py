"""Translates a search for jobs into conditions on the view of jobs; all values are parameters."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from msaas.gateway.domain.search_terms import (
    STATUS_WORDS,
    Date,
    Duration,
    Match,
    Number,
    Operator,
    Pattern,
    Search,
    Term,
    Words,
)
from msaas.gateway.domain.targets import HOST_PATTERN, MAX_PATH, PATH_PATTERN

_TEXT_COLUMNS: Final[Mapping[str, str]] = {
    "type": "task_type",
    "reason": "failure_reason",
    "error": "last_error",
    "id": "id::text",
    "correlation": "correlation_id",
    "key": "(SELECT name FROM api_v1.api_keys k WHERE k.id = api_key_id)",
    "host": f"lower(substring(payload ->> 'url' from '{HOST_PATTERN}'))",
    "path": (
        f"CASE WHEN payload ->> 'url' ~ '{HOST_PATTERN}' THEN "
        f"left(coalesce(substring(payload ->> 'url' from '{PATH_PATTERN}'), '/'), {MAX_PATH}) END"
    ),
}
_WORD_COLUMNS: Final = ("last_error", "failure_reason", "task_type", "progress ->> 'message'")
_COST: Final = "(CASE WHEN status = 'COMPLETED' AND billable THEN 1 ELSE 0 END)"
_CHANGED_BY_BULK: Final = (
    "id = ANY (ARRAY(SELECT unnest(changed_job_ids) FROM api_v1.bulk_changes b WHERE b.id"
)
# As much of the end of an id as lists show.
_MIN_SUFFIX: Final = 4
_OLDEST: Final = timedelta(days=365 * 100)
_MILLISECOND: Final = timedelta(milliseconds=1)


class SearchConditions:
    """The conditions of a search; `values` has the parameters of the statement, in their order."""

    def __init__(self, values: list[object], as_of: datetime) -> None:
        self._values = values
        self._as_of = as_of.replace(microsecond=as_of.microsecond // 1_000 * 1_000)

    def build(self, search: Search) -> list[str]:
        return [self._negate(self._build_term(term), term) for term in search]

    def _negate(self, condition: str, term: Term) -> str:
        """Reverse a condition so that it also holds where a column is empty."""
        return f"({condition}) IS NOT TRUE" if term.negated else f"({condition})"

    def _build_term(self, term: Term) -> str:
        match term:
            case Words():
                pattern = self._add(f"%{escape_pattern(term.text)}%")
                return " OR ".join(f"{column} ILIKE {pattern}" for column in _WORD_COLUMNS)
            case Match():
                return self._build_match(term)
            case Number():
                column = _COST if term.key == "cost" else term.key
                return f"{column} {term.operator} {self._add(term.value)}::numeric"
            case Duration():
                return self._build_duration(term)
            case Date():
                return self._build_date(term)

    def _build_match(self, term: Match) -> str:
        if term.key == "status":
            statuses = [str(STATUS_WORDS[value.text]) for value in term.values]
            return f"status = ANY({self._add(statuses)}::text[])"
        if term.key == "source":
            return f"source = ANY({self._add([value.text for value in term.values])}::text[])"
        if term.key == "bulk":
            given = self._add([read_uuid(value.text) for value in term.values])
            return f"{_CHANGED_BY_BULK} = ANY({given}::uuid[])))"
        return " OR ".join(self._build_pattern(term.key, value) for value in term.values)

    def _build_pattern(self, key: str, value: Pattern) -> str:
        column = _TEXT_COLUMNS[key]
        if value.has_wildcard:
            parts = "%".join(map(escape_pattern, value.text.split("*")))
            return f"{column} ILIKE {self._add(parts)}"
        if key == "error":
            return f"{column} ILIKE {self._add(f'%{escape_pattern(value.text)}%')}"
        if key == "type":  # names of types are in lower case
            return f"{column} = {self._add(value.text.lower())}"
        if key == "id" and (job_id := read_uuid(value.text)):
            return f"id = {self._add(job_id)}"
        if key in {"id", "correlation"} and len(value.text) >= _MIN_SUFFIX:
            return f"{column} ILIKE {self._add(f'%{escape_pattern(value.text)}')}"
        return f"{column} ILIKE {self._add(escape_pattern(value.text))}"

    def _build_duration(self, term: Duration) -> str:
        length = min(term.value, _OLDEST)
        if term.key == "age":
            return self._build_age(term.operator, self._as_of - length)
        now, value = f"{self._add(self._as_of)}::timestamptz", f"{self._add(length)}::interval"
        created, run_at, started = map(_truncate, ("created_at", "run_at", "started_at"))
        if term.key == "took":
            ended = f"coalesce({_truncate('finished_at')}, {now})"
            return f"{ended} - {started} {term.operator} {value}"
        begun = f"coalesce({started}, {now})"
        due = f"least(greatest({created}, {run_at}), {begun})"
        return f"{begun} - {due} {term.operator} {value}"

    def _build_age(self, operator: Operator, moment: datetime) -> str:
        """Compare the column itself, which an index serves, to the millisecond."""
        after = moment + _MILLISECOND
        if operator == "=":
            start, end = self._add(moment), self._add(after)
            return f"created_at >= {start}::timestamptz AND created_at < {end}::timestamptz"
        is_younger = operator in {"<", "<="}
        bound = self._add(moment if operator in {"<=", ">"} else after)
        return f"created_at {'>=' if is_younger else '<'} {bound}::timestamptz"

    def _build_date(self, term: Date) -> str:
        column = "created_at" if term.key == "created" else "finished_at"
        if term.operator == "=":
            start, end = self._add(term.start), self._add(term.end)
            return f"{column} >= {start}::timestamptz AND {column} < {end}::timestamptz"
        # A day or a second is a span: behind it means behind its end.
        is_after_end = term.operator in {">", "<="}
        operator = {">": ">=", "<=": "<"}.get(term.operator, term.operator)
        moment = self._add(term.end if is_after_end else term.start)
        return f"{column} {operator} {moment}::timestamptz"

    def _add(self, value: object) -> str:
        self._values.append(value)
        return f"${len(self._values)}"


def _truncate(column: str) -> str:
    """Compare moments as clients read them."""
    return f"date_trunc('milliseconds', {column})"


def escape_pattern(text: str) -> str:
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


def read_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
