"""Every peer of the comparison: how it is started and asked. Its requirements and its app are in `peers/PEER/`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ENGINES = ("tensorflow", "litert")
"""The SavedModel's signature, as the peers' documents show it; or the engine that we use, to compare servers alone."""


@dataclass(frozen=True)
class Setup:
    """A peer as its documents recommend it.

    `command` and `environment` may name {python}, {http}, {grpc}, {spare} (a list of ports), {home} (a folder of the
    start's own), {folder} (the app's).
    """

    name: str
    peer: str
    settings: str
    command: str
    path: str = "/predict"
    open_inference: bool = False
    grpc: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


SETUPS = (
    Setup(
        name="FastAPI",
        peer="fastapi",
        settings="typed pydantic request and answer, plain `def` endpoint (thread pool), uvicorn with 2 workers on "
        "uvloop and httptools, access log to a file",
        command="{python} -m uvicorn app:app --host 127.0.0.1 --port {http} --workers 2",
    ),
)
