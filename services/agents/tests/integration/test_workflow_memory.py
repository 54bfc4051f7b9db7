"""The memory over a real Chroma: found again, kept apart, and erased to the last byte."""

import asyncio
import socket
import struct
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
from memory_fakes import TextsInMemory, WordEmbedder, make_passage

from msaas.agents.adapters.memory.chroma_server import ChromaServer
from msaas.agents.adapters.memory.vectors import CollectionNames, Vectors
from msaas.agents.adapters.memory.workflow_memory import (
    MemoryParts,
    WorkflowMemory,
    get_vectorstore,
)
from msaas.agents.domain.errors import MemoryUnavailable
from msaas.embedded import find_free_port
from msaas.telemetry import Metrics
from msaas.testing import GENEROUS_TIMEOUT, wait_until

CANARY = "the heron canary sings at dawn"
TEXTS = ["the lamp is red", "the lamp is green", CANARY, *(f"filler number {n}" for n in range(30))]


def open_vectors(folder: Path, model: str = "words-1", url: str | None = None) -> Vectors:
    return get_vectorstore(
        url=url,
        folder=str(folder),
        key="a key",
        model=model,
        metrics=Metrics("agents", "test"),
        seconds=GENEROUS_TIMEOUT,
    )


@asynccontextmanager
async def opened_memory(
    folder: Path,
    texts: TextsInMemory,
    embedder: WordEmbedder | None = None,
    url: str | None = None,
) -> AsyncGenerator[WorkflowMemory]:
    embedder = embedder or WordEmbedder()
    vectors = open_vectors(folder, embedder.model, url)
    memory = WorkflowMemory(MemoryParts(texts, vectors, embedder))
    try:
        yield memory
    finally:
        await memory.close()


async def remember(memory: WorkflowMemory, user_id: UUID, texts: list[str]) -> int:
    return await memory.upsert(user_id, uuid4(), [make_passage(text) for text in texts])


def find_bytes(folder: Path, needle: bytes) -> Iterator[Path]:
    for file in folder.rglob("*"):
        if file.is_file() and needle in file.read_bytes():
            yield file.relative_to(folder)


async def check_story(memory: WorkflowMemory, texts: TextsInMemory, first: UUID) -> UUID:
    """Check what a memory does, whichever Chroma it has; return another user who has one."""
    second = uuid4()
    assert await memory.search(first, "a red lamp", 3) == []
    assert await remember(memory, first, TEXTS) == len(TEXTS)
    assert await remember(memory, second, ["the lamp is blue"]) == 1
    found = await memory.search(first, "is the lamp red", 2)
    assert found[0].text == "the lamp is red"
    everything = await memory.search(second, "is the lamp red", 50)
    assert [each.text for each in everything] == ["the lamp is blue"]

    # A text that has expired is found no more, and its vector goes too.
    expired = next(each for each in texts.rows[first] if texts.rows[first][each].text == TEXTS[0])
    del texts.rows[first][expired]
    assert TEXTS[0] not in [each.text for each in await memory.search(first, TEXTS[0], 2)]
    assert len(await memory.search(first, TEXTS[0], 2)) == 2
    return second


async def test_texts_are_found_again_by_their_user_alone_and_erased_without_a_byte_left(
    tmp_path: Path,
) -> None:
    texts, embedder, first = TextsInMemory(), WordEmbedder(), uuid4()
    needle = struct.pack("<8f", *np.asarray(embedder.vector(CANARY)[:8], dtype=np.float32))
    async with opened_memory(tmp_path, texts, embedder) as memory:
        second = await check_story(memory, texts, first)
        embedded = len(embedder.embedded)
        await remember(memory, first, TEXTS[1:])  # known already: nothing is embedded anew
        assert len(embedder.embedded) == embedded

        assert list(find_bytes(tmp_path, needle))
        await memory.forget(first)
        assert list(find_bytes(tmp_path, needle)) == []
        assert list(find_bytes(tmp_path, CANARY.encode())) == []
        assert list(find_bytes(tmp_path, first.hex.encode())) == []
        assert list(find_bytes(tmp_path, str(first).encode())) == []
        assert first not in texts.rows
        assert await memory.search(first, CANARY, 3) == []
        await memory.forget(first)  # a repeat changes nothing
        found = await memory.search(second, "lamp", 3)
        assert [each.text for each in found] == ["the lamp is blue"]
        await remember(memory, first, ["a new beginning"])
        assert len(await memory.search(first, "beginning", 3)) == 1
    async with opened_memory(tmp_path, texts, embedder) as reopened:
        assert len(await reopened.search(second, "lamp", 3)) == 1


async def test_another_model_has_another_collection_and_both_are_forgotten(tmp_path: Path) -> None:
    texts, user_id = TextsInMemory(), uuid4()
    old, new = WordEmbedder(), WordEmbedder(dimensions=32, model="words-2")
    async with opened_memory(tmp_path, texts, old) as memory:
        await remember(memory, user_id, TEXTS)
    async with opened_memory(tmp_path, texts, new) as memory:
        assert await memory.search(user_id, "the lamp", 3) == []
        assert await remember(memory, user_id, TEXTS) == len(TEXTS)
        assert len(await memory.search(user_id, "the lamp", 3)) == 3
        await memory.forget(user_id)
    needle = struct.pack("<8f", *np.asarray(old.vector(CANARY)[:8], dtype=np.float32))
    assert list(find_bytes(tmp_path, needle)) == []


def test_a_name_shows_no_user() -> None:
    user_id = uuid4()
    names = CollectionNames("a key", "model")
    assert names.name(user_id) == CollectionNames("a key", "model").name(user_id)
    assert names.name(user_id) != CollectionNames("other", "model").name(user_id)
    assert user_id.hex not in names.name(user_id).replace("-", "")


async def test_a_folder_that_cannot_be_opened_makes_the_memory_unavailable(tmp_path: Path) -> None:
    file = tmp_path / "no-folder"
    file.write_text("in the way")
    async with opened_memory(file, TextsInMemory()) as memory:
        for _ in range(7):
            with pytest.raises(MemoryUnavailable):
                await memory.search(uuid4(), "lamp", 3)
        with pytest.raises(MemoryUnavailable) as caught:
            await memory.search(uuid4(), "lamp", 3)
    assert caught.value.context["reason"] == "circuit_open"
    assert str(file) not in f"{caught.value!r} {caught.value.context}"


async def test_a_server_that_is_away_makes_the_memory_unavailable(tmp_path: Path) -> None:
    async with opened_memory(tmp_path, TextsInMemory(), url="http://127.0.0.1:9") as memory:
        for _ in range(6):
            with pytest.raises(MemoryUnavailable):
                await memory.search(uuid4(), "lamp", 3)


async def test_a_server_that_is_silent_is_left_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connects, and answers nothing
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        names, metrics = CollectionNames("a key", "model"), Metrics("agents", "test")
        vectors = ChromaServer(url, names, metrics, seconds=0.2)
        with pytest.raises(MemoryUnavailable) as caught:
            await vectors.search(uuid4(), [0.1] * 8, 3)
        await vectors.close()
    assert caught.value.context["reason"] == "TimeoutError"


async def test_a_server_of_its_own_keeps_the_same_memory(tmp_path: Path) -> None:
    port, texts, first = find_free_port(), TextsInMemory(), uuid4()
    command = Path(sys.executable).with_name("chroma")
    server = await asyncio.create_subprocess_exec(
        str(command), "run", "--path", str(tmp_path), "--host", "127.0.0.1", "--port", str(port),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        env={"ANONYMIZED_TELEMETRY": "False", "HOME": str(tmp_path)},
    )  # fmt: skip
    try:
        await wait_until(lambda: _listens(port))
        url = f"http://127.0.0.1:{port}"
        async with opened_memory(tmp_path, texts, url=url) as memory:
            second = await check_story(memory, texts, first)
            await memory.forget(first)
            assert await memory.search(first, CANARY, 3) == []
            assert len(await memory.search(second, "lamp", 3)) == 1
    finally:
        server.kill()
        await server.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
