"""Reading our pods: bounded answers of strangers, and Unknown where there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Protocol

import aiohttp

from ..core.plan import Scraped, ScrapeRequest
from ..core.untrusted_json import parse
from . import metrics
from .cluster import ApiError

TIMEOUT = aiohttp.ClientTimeout(total=2.0, connect=1.0)
MAX_BYTES = 4 * 1024 * 1024
UNREACHABLE = (aiohttp.ClientConnectionError, OSError, TimeoutError)


class PodReader(Protocol):
    """GETs a JSON object of a pod; raises on anything else."""

    async def read(self, namespace: str, request: ScrapeRequest) -> dict[str, Any]:
        """The JSON object at `request`."""
        ...


class DirectReader:
    """Reads pods at their own addresses: for an operator inside the cluster's network."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> DirectReader:
        self._session = aiohttp.ClientSession(timeout=TIMEOUT)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def read(self, namespace: str, request: ScrapeRequest) -> dict[str, Any]:
        """The JSON object at `request`, at most 4 MiB, within 2 s."""
        assert self._session is not None, "use `async with DirectReader()`"
        host = f"[{request.ip}]" if ":" in request.ip else request.ip
        url = f"http://{host}:{request.port}{request.path}"
        async with self._session.get(url, allow_redirects=False) as response:
            if response.status != 200:
                raise ValueError(f"HTTP {response.status}")
            chunks, size = [], 0
            async for chunk in response.content.iter_chunked(65536):
                size += len(chunk)
                if size > MAX_BYTES:
                    raise ValueError(f"the answer has more than {MAX_BYTES} bytes")
                chunks.append(chunk)
        document = parse(b"".join(chunks))
        if not isinstance(document, dict):
            raise ValueError("an answer that is no JSON object")
        return document


async def scrape(
    reader: PodReader, namespace: str, requests: Iterable[ScrapeRequest]
) -> dict[tuple[str, str], Scraped]:
    """Answers by pod and path, or a sentence why there is none. Pods are asked side by side, each over one connection.

    A pod that cannot be reached is asked once: its other answers are missing for the same reason.
    """
    by_pod: dict[str, list[ScrapeRequest]] = {}
    for request in requests:
        by_pod.setdefault(request.pod, []).append(request)
    found = await asyncio.gather(*(_of_pod(reader, namespace, asked) for asked in by_pod.values()))
    return {(request.pod, request.path): answer for answers in found for request, answer in answers}


async def _of_pod(
    reader: PodReader, namespace: str, requests: Iterable[ScrapeRequest]
) -> list[tuple[ScrapeRequest, Scraped]]:
    answers: list[tuple[ScrapeRequest, Scraped]] = []
    unreachable: Scraped | None = None
    for request in requests:
        answer = unreachable
        if answer is None:
            try:
                answer = Scraped(await asyncio.wait_for(reader.read(namespace, request), 2.5), None)
            except UNREACHABLE as error:
                answer = unreachable = _failed(error)
            except (aiohttp.ClientError, ValueError, ApiError) as error:
                answer = _failed(error)
        if answer.body is None:
            metrics.SCRAPE_ERRORS.labels(request.path.partition("?")[0]).inc()
        answers.append((request, answer))
    return answers


def _failed(error: Exception) -> Scraped:
    return Scraped(None, f"{type(error).__name__}: {error}"[:200])
