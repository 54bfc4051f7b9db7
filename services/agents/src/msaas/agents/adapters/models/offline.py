"""The provider that calls nobody: it writes nothing, and chooses sentences that are there.

It knows the tasks of the workflows: the last message is one, as a JSON object, and the title of the
schema names what is answered.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from msaas.agents.adapters.models.literal_values import find_values
from msaas.agents.adapters.models.provider import ProviderAnswer, ProviderRefused
from msaas.agents.adapters.models.ranking import rank
from msaas.agents.adapters.models.sentences import says_something, split_sentences
from msaas.agents.application.ports import Embedder, OnToken
from msaas.agents.domain.models import ModelRequest, TokenUsage

MAX_WRITTEN: Final = 6
MAX_FINDINGS: Final = 8
MAX_COMPARED: Final = 12
# Calibrated with the packaged embeddings: what is below is about something else.
RELATED: Final = 0.80
ANSWERED: Final = 0.90
_BYTES_PER_TOKEN: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What a request asks for; `sentences` know the number of their passage."""

    request: ModelRequest
    fields: Mapping[str, Any]

    @property
    def query(self) -> str:
        return str(self.fields.get("question") or self.fields.get("instruction") or "")

    def list_sentences(self) -> list[tuple[int, str]]:
        """List them; a heading answers nothing, but it may have changed."""
        headings = self.request.purpose == "compare"
        return [
            (number, sentence)
            for number, passage in enumerate(self.request.passages, start=1)
            for sentence in split_sentences(passage, headings=headings)
            if says_something(sentence)
        ]


class OfflineProvider:
    name: str = "offline"
    model: str = "extractive"

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._answers: Mapping[str, Callable[[_Task], Awaitable[Mapping[str, Any]]]] = {
            "plan": self._plan,
            "findings": self._find,
            "values": self._extract,
        }

    def most_usage(self, request: ModelRequest) -> TokenUsage:
        return TokenUsage(tokens_in=count_tokens_in(request), tokens_out=request.max_tokens)

    async def ask(self, request: ModelRequest, on_text: OnToken) -> ProviderAnswer:
        task = _Task(request=request, fields=_read_task(request))
        if request.json_schema is None:
            text = await self._write(task, on_text)
        else:
            answer = self._answers.get(str(request.json_schema.get("title")))
            if answer is None:
                raise ProviderRefused("unsupported")
            text = json.dumps(await answer(task), ensure_ascii=False)
        usage = TokenUsage(
            tokens_in=count_tokens_in(request), tokens_out=_count(text, request.max_tokens)
        )
        return ProviderAnswer(text=text, usage=usage)

    async def close(self) -> None:
        pass

    async def _plan(self, task: _Task) -> Mapping[str, Any]:
        questions = [sentence[:500] for sentence in split_sentences(task.query)][:5]
        seeds = [str(seed) for seed in task.fields.get("seeds", ())]
        return {"questions": questions or [task.query[:500] or "?"], "open": seeds[:10]}

    async def _find(self, task: _Task) -> Mapping[str, Any]:
        sentences = [sentence for _, sentence in task.list_sentences()]
        best: dict[str, float] = {}
        questions = [line for line in task.query.splitlines() if line.strip()]
        enough = bool(questions)
        for question in questions:
            ranked = await rank(self._embedder, question, sentences, MAX_FINDINGS)
            good = [each for each in ranked if each.score >= RELATED]
            enough = enough and any(each.score >= ANSWERED for each in good)
            for each in good:
                sentence = sentences[each.index]
                best[sentence] = max(each.score, best.get(sentence, 0.0))
        chosen = sorted(best, key=lambda sentence: -best[sentence])[:12]
        return {"findings": [{"quote": sentence} for sentence in chosen], "enough": enough}

    async def _extract(self, task: _Task) -> Mapping[str, Any]:
        schema = task.fields.get("output_schema")
        errors = [str(error) for error in task.fields.get("errors", ())]
        return {"values": await find_values(self._embedder, schema, task.request.passages, errors)}

    async def _write(self, task: _Task, on_text: OnToken) -> str:
        """Write the best sentences, or the changes in their order, each with its passage."""
        numbered = task.list_sentences()
        if task.request.purpose == "compare":
            chosen = list(range(len(numbered)))[:MAX_COMPARED]
        else:
            chosen = await self._choose(task.query, [sentence for _, sentence in numbered])
        text, room = "", task.request.max_tokens * _BYTES_PER_TOKEN
        for index in chosen:
            number, sentence = numbered[index]
            line = f"{sentence} [{number}]\n"
            if len((text + line).encode()) > room:
                break
            await on_text(line)
            text += line
        return text

    async def _choose(self, query: str, sentences: Sequence[str]) -> list[int]:
        ranked = await rank(self._embedder, query, sentences, MAX_WRITTEN)
        return [each.index for each in ranked if each.score >= RELATED]


def _read_task(request: ModelRequest) -> Mapping[str, Any]:
    text = request.messages[-1].text if request.messages else ""
    try:
        task = json.loads(text)
    except (ValueError, RecursionError):
        task = None
    return cast("dict[str, Any]", task) if isinstance(task, dict) else {"question": text}


def count_tokens_in(request: ModelRequest) -> int:
    """Count by bytes: no tokenizer is involved."""
    return sum(_count(message.text) for message in request.messages)


def _count(text: str, most: int | None = None) -> int:
    tokens = -(-len(text.encode(errors="replace")) // _BYTES_PER_TOKEN)
    return tokens if most is None else min(tokens, most)
