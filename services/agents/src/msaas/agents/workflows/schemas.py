"""What models answer, by purpose: JSON Schemas whose titles name them.

The last message of a request is the task, as JSON: `question` and `seeds` (plan), `question` (read,
write), `instruction` and `output_schema` (read of values; repair, with `errors`), `instruction`
(compare). Page text is in the messages before it, spotlighted, and in `passages`: for `read` and
`repair` the lines of the pages, for `write` and `compare` the numbered passages to make sentences
from. `write` and `compare` answer in plain text; a sentence names its passages as [1], or is one
of their sentences word by word.
"""

from typing import Any, Final

_TEXT: Final[dict[str, Any]] = {"type": "string", "maxLength": 2_000}

PLAN_SCHEMA: Final[dict[str, Any]] = {
    "title": "plan",
    "type": "object",
    "additionalProperties": False,
    "required": ["questions", "open"],
    "properties": {
        "questions": {
            "description": "What has to be found out, as one to five short questions.",
            "type": "array",
            "minItems": 1,
            "maxItems": 5,
            "items": {"type": "string", "minLength": 1, "maxLength": 500},
        },
        "open": {
            "description": "Which of the given addresses to open, each exactly as given.",
            "type": "array",
            "maxItems": 10,
            "items": {"type": "string", "maxLength": 2_048},
        },
    },
}

FINDINGS_SCHEMA: Final[dict[str, Any]] = {
    "title": "findings",
    "type": "object",
    "additionalProperties": False,
    "required": ["findings", "enough"],
    "properties": {
        "findings": {
            "description": "Quotes of the page that help to answer, word by word.",
            "type": "array",
            "maxItems": 12,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["quote"],
                "properties": {"quote": {**_TEXT, "minLength": 1}},
            },
        },
        "enough": {
            "description": "Whether these quotes answer all questions.",
            "type": "boolean",
        },
    },
}

VALUES_SCHEMA: Final[dict[str, Any]] = {
    "title": "values",
    "type": "object",
    "additionalProperties": False,
    "required": ["values"],
    "properties": {
        "values": {
            "description": "The values that the pages contain; leave out what is not there.",
            "type": "array",
            "maxItems": 500,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["pointer", "value", "quote"],
                "properties": {
                    "pointer": {
                        "description": "Where the value belongs, as a JSON pointer: /items/0/name",
                        "type": "string",
                        "maxLength": 500,
                    },
                    "value": {"type": ["string", "number", "boolean"]},
                    "quote": {
                        "description": "The words of the page that state the value.",
                        **_TEXT,
                    },
                },
            },
        }
    },
}
