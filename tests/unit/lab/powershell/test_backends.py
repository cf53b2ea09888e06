from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from deploy.lab.invocation import U64, Invocation, InvocationResult
from deploy.lab.powershell.backends import SocketBackend
from deploy.lab.wire import decode_invocation, encode_result

Handler = Callable[[dict[str, Any], asyncio.StreamWriter], None]

LIMIT_BYTES = 64 * 1024 * 1024


def echo(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    call = decode_invocation(request["invocation"])
    result = InvocationResult(output=(call.cmdlet, call.parameters.get("Size")))
    answer = {"id": request["id"], "result": encode_result(result)}
    writer.write(json.dumps(answer).encode() + b"\n")


@asynccontextmanager
async def daemon(path: Path, handler: Handler) -> AsyncIterator[None]:
    """A site's socket of a test."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        while line := await reader.readline():
            handler(json.loads(line), writer)

    server = await asyncio.start_unix_server(serve, path, limit=LIMIT_BYTES)
    try:
        yield
    finally:
        server.close()
        for writer in writers:
            writer.close()


async def test_a_call_goes_to_the_daemon_and_its_result_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "s"
    async with daemon(path, echo), aclosing(SocketBackend(path)) as backend:
        result = await backend.invoke(Invocation("Get-VM", {"Size": U64(5)}))
        assert result.output == ("Get-VM", U64(5))
        assert isinstance(result.output[1], U64)


async def test_answers_find_their_calls_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "s"
    held: list[dict[str, Any]] = []

    def in_reverse(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        held.append(request)
        if len(held) == 3:
            for each in reversed(held):
                echo(each, writer)

    async with daemon(path, in_reverse), aclosing(SocketBackend(path)) as backend:
        names = [f"Get-{letter}" for letter in "ABC"]
        results = await asyncio.gather(*(backend.invoke(Invocation(name, {})) for name in names))
        assert [result.output[0] for result in results] == names


async def test_a_large_answer_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "s"
    async with daemon(path, echo), aclosing(SocketBackend(path)) as backend:
        text = "x" * 3_000_000
        result = await backend.invoke(Invocation("Get-VM", {"Size": text}))
        assert result.output[1] == text


async def test_a_site_without_power_is_an_error_record(tmp_path: Path) -> None:
    async with aclosing(SocketBackend(tmp_path / "none")) as backend:
        [error] = (await backend.invoke(Invocation("Get-VM", {}))).errors
        assert error.category == "ConnectionError"
        assert error.terminating


async def test_a_connection_that_breaks_is_an_error_and_the_next_call_connects_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "s"

    def hang_up(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        del request
        writer.close()

    async with aclosing(SocketBackend(path)) as backend:
        async with daemon(path, hang_up):
            [error] = (await backend.invoke(Invocation("Get-VM", {}))).errors
            assert error.error_id == "ConnectionFailed"
        path.unlink(missing_ok=True)
        async with daemon(path, echo):
            assert (await backend.invoke(Invocation("Get-VM", {}))).errors == ()
