"""Work that would block the event loop: the bounds, and the exception that sends a request to `offloaded_decode`."""

from __future__ import annotations

import asyncio

LARGE = 128 * 1024
"""Bytes of JSON that become Python's objects in some milliseconds, whatever they are."""
MANY = 20_000
"""Values that are handed over one by one and take some milliseconds."""
MANY_TEXTS = 1000
"""The same of texts, of which each is looked at several times, and a model may have several inputs."""


class MustOffload(Exception):
    """Read the request again in another thread."""


def on_event_loop() -> bool:
    """Whether this thread runs an event loop, where other requests wait meanwhile."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def not_on_the_loop(size: int) -> None:
    """Raise MustOffload where so many bytes of JSON are to become objects on an event loop."""
    if size > LARGE and on_event_loop():
        raise MustOffload


def few_on_the_loop(count: int, most: int = MANY) -> None:
    """Raise MustOffload where so many values are to be handed over one by one on an event loop."""
    if count > most and on_event_loop():
        raise MustOffload
