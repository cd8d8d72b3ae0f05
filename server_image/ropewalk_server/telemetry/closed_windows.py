"""Closed buckets until the operator has fetched them: as the bytes that are sent, so that room and answers are bounded.

The operator adds up what it has fetched and asks only for what came since. What is held here has to last while it
is away: at 3 KB a minute (30 features) a day, at 20 KB (200 features) three hours.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Any

import orjson

from ropewalk_contract.documents.windows_page import head
from ropewalk_server.log import log

HELD_BYTES = 4 << 20
PAGE_BYTES = 1 << 20
PAGE_BUCKETS = 1000
LARGEST_BUCKET = 1 << 20
"""An answer holds at least the buckets of one minute, one for each version, and the operator reads at most 4 MiB."""


class ClosedWindows:
    """Buckets by their start, the oldest dropped where room is short."""

    def __init__(self) -> None:
        self._buckets: list[tuple[int, bytes]] = []
        self._bytes = 0
        self._lost_before = 0

    @property
    def latest(self) -> int:
        """The start of the latest bucket, seconds since the epoch; -1 without any."""
        return self._buckets[-1][0] if self._buckets else -1

    def add(self, start: int, document: dict[str, Any]) -> None:
        """Keep a bucket; one that no answer could hold is dropped at once, and the log tells."""
        body = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
        if len(body) > LARGEST_BUCKET:
            log("error", "a bucket is too large to be kept", bytes=len(body), limit=LARGEST_BUCKET)
            self._lost_before = max(self._lost_before, start + 1)
            return
        insort(self._buckets, (start, body))
        self._bytes += len(body)
        while self._bytes > HELD_BYTES:
            dropped, body = self._buckets.pop(0)
            self._bytes -= len(body)
            self._lost_before = max(self._lost_before, dropped + 1)

    def page(self, since: int, through: int, seconds: int) -> bytes:
        """The answer to GET /windows. `through`: where the buckets begin that may still be open.

        Buckets with the same start are sent together, so that an answer is complete up to a point in time.
        """
        buckets, index, size = self._buckets, bisect_left(self._buckets, (since, b"")), 0
        page: list[bytes] = []
        while index < len(buckets):
            end = bisect_left(buckets, (buckets[index][0] + 1, b""))
            group = [body for _, body in buckets[index:end]]
            size += sum(map(len, group))
            if page and (size > PAGE_BYTES or len(page) + len(group) > PAGE_BUCKETS):
                break
            page += group
            index = end
        more = index < len(buckets)
        through = min(buckets[index][0], through) if more else through
        page_head = head(seconds=seconds, through=through, more=more, lost_before=self._lost_before)
        return orjson.dumps(page_head)[:-1] + b',"buckets":[' + b",".join(page) + b"]}"
