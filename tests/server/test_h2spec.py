"""h2spec's 145 cases against the HTTP/2 server; a case that fails and is not listed here fails the test.

h2spec sends no gRPC requests. The real server answers those at their head, so that later frames meet a stream that is
closed already; hence the second run, in which every request counts as a call.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Collection, Iterable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ropewalk_server.transport.http2 import header_cache
from ropewalk_server.transport.http2.frames import read_head
from ropewalk_server.transport.http2.rpc import Head
from tests.server.conftest import Server, next_ports
from tests.server.http2_peer import ECHO, serving
from tools import h2spec

pytestmark = pytest.mark.slow

WITHOUT_A_BODY = {
    # A DATA frame is expected; the answer is one HEADERS frame, which is complete.
    ("generic/2", "Sends a WINDOW_UPDATE frame on half-closed (remote) stream"),
    ("generic/2", "Sends a PRIORITY frame on half-closed (remote) stream"),
    # Streams are expected to stay open for as long as the others are opened; each is answered at once.
    ("http2/5.1.2", "Sends HEADERS frames that causes their advertised concurrent stream limit to be exceeded"),
}
ANSWERED_AT_ITS_HEAD = {
    # The stream is closed by the answer; frames that come afterwards are ignored, as RFC 9113 (5.1) allows.
    ("http2/5.1", "closed: Sends a DATA frame after sending RST_STREAM frame"),
    ("http2/5.1", "closed: Sends a HEADERS frame after sending RST_STREAM frame"),
    ("http2/6.9", "Sends a WINDOW_UPDATE frame with a flow control window increment of 0 on a stream"),
    (
        "http2/6.9.1",
        "Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1 on a stream",
    ),
    ("http2/8.1", "Sends a second HEADERS frame without the END_STREAM flag"),
    ("http2/8.1.2.1", "Sends a HEADERS frame that contains a pseudo-header field as trailers"),
    (
        "http2/8.1.2.6",
        'Sends a HEADERS frame with the "content-length" header field which does not equal the DATA frame payload'
        " length",
    ),
    (
        "http2/8.1.2.6",
        'Sends a HEADERS frame with the "content-length" header field which does not equal the sum of the multiple DATA'
        " frames payload length",
    ),
}
CASES = 145


@pytest.fixture(scope="module")
def binary() -> Path:
    """h2spec, built on first use."""
    try:
        return h2spec.ensure()
    except h2spec.NoGo as missing:
        pytest.skip(f"h2spec was NOT run: {missing}")


def failures(report: Path) -> set[tuple[str, str]]:
    """Section and title of the cases that failed, from a JUnit report of all of them."""
    text = re.sub(r"[^\n -~]", "?", report.read_text(errors="replace"))  # h2spec quotes frames as they are
    cases = ElementTree.fromstring(text).findall("testsuite/testcase")
    assert len(cases) == CASES
    failed = [case for case in cases if case.find("error") is not None or case.find("failure") is not None]
    return {(case.attrib["package"], case.attrib["classname"]) for case in failed}


def test_the_real_server(binary: Path, tmp_path: Path) -> None:
    """Before any version is live: requests that are not gRPC's are refused in the same way then."""
    server, report = Server(tmp_path, next_ports()), tmp_path / "report.xml"
    server.tell(None, [])
    server.start()
    try:
        command = [binary, "--port", str(server.grpc_port), "--junit-report", report]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert failures(report) == WITHOUT_A_BODY | ANSWERED_AT_ITS_HEAD, done.stdout[-8000:]
        assert server.get("/healthz", monitoring=True)[0] == 200
    finally:
        assert server.stop() == 0, server.log()


async def test_requests_that_count_as_calls(binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same server of HTTP/2 in this process; only the check of method and content type is left out."""

    def call(fields: Iterable[tuple[bytes, bytes]], keep: Collection[bytes]) -> Head | None:
        head = read_head(fields, keep)
        return None if head is None else head._replace(status=0)

    monkeypatch.setattr(header_cache, "read_head", call)
    report = tmp_path / "report.xml"
    async with serving() as (_, port):
        command = [str(binary), "--port", str(port), "--path", ECHO, "--junit-report", str(report)]
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        said, _ = await asyncio.wait_for(process.communicate(), 120)
    assert failures(report) == WITHOUT_A_BODY, said.decode()[-8000:]
