"""The server's C code under sanitizers: no undefined behaviour (UBSan) and no byte out of bounds (ASan).

The messages are the bodies of the corpus and mutated numbers, ROPEWALK_FUZZ_EXAMPLES of them. Zig builds UBSan, and has
no runtime of ASan; gcc builds that one.
"""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from ropewalk_server.native import LIBRARY

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
EXAMPLES = int(os.environ.get("ROPEWALK_FUZZ_EXAMPLES", "400")) * 4
CORPUS = [path.read_bytes().partition(b"\n\n")[2] for path in sorted((HERE / "corpus" / "rest").iterdir())]
TOKENS = [
    b"0", b"-0", b"1", b"-1.5", b"1e308", b"1e-400", b"1e400", b"9" * 400, b"0." + b"0" * 330 + b"1", b"1.", b".1",
    b"01",
    b"1e", b"1e+", b"-", b"+1", b"0x1", b"3.4028235677973366e38", b"16777217", b"1e99999999999999999999", b"4.9e-324",
    b"0.1e1", b"123456789012345678901234567890", b"NaN", b"null", b"true", b" ", b"\t\r\n", b",", b"[", b"]", b"{",
    b"}",
    b'"x":', b'"y":', b'"', b"\\", b"\x00", b"\xff",
]  # fmt: skip
BUILDS = {
    "undefined": [sys.executable, "-m", "ziglang", "cc", "-fsanitize=undefined", "-fno-sanitize-recover=all"],
    "address": ["gcc", "-fsanitize=address"],
}


@pytest.fixture(scope="module", params=BUILDS)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The driver under one sanitizer, by its name."""
    kind = request.param
    if shutil.which(BUILDS[kind][0]) is None:
        pytest.skip("no gcc on the PATH: the C code was NOT tried under AddressSanitizer (Debian: apt install gcc)")
    target = tmp_path_factory.mktemp(kind) / "driver"
    flags = ["-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-I", str(LIBRARY.parent)]
    command = [*BUILDS[kind], *flags, str(HERE / "native" / "driver.c"), "-o", str(target)]
    subprocess.run(command, check=True)
    return kind, target


def valid(draw: random.Random) -> bytes:
    """A message that one of the driver's forms reads."""
    number = [repr(draw.uniform(-1e6, 1e6)).encode() for _ in range(200)]
    rows = range(draw.randint(1, 4))
    vector = b"[" + b",".join(number[:30]) + b"]"
    picture = b"[" + b",".join([b"[" + b",".join([b"[%b]" % one for one in number[:4]]) + b"]"] * 4) + b"]"
    columns = b'{"x":[%b],"y":[%b]}' % (number[0], number[1])
    one = draw.choice([b"[%b]" % number[0], vector, picture, b'{"x":%b,"y": %b}' % (number[0], number[1]), columns])
    if one == columns:
        return b'{"inputs":%b}' % columns
    return b'{"instances":[' + b",".join(one for _ in rows) + b"]}"


def mutated(draw: random.Random) -> bytes:
    """A valid message or one of the corpus with a few pieces replaced, cut or put in."""
    message = draw.choice([valid(draw), draw.choice(CORPUS)])[:4096]
    for _ in range(draw.choice([0, 1, 1, 2, 4, 8])):
        at = draw.randint(0, len(message))
        end = at + draw.choice([0, 0, 1, 2, 4, 30])
        message = message[:at] + draw.choice([b"", *TOKENS]) + message[end:]
    return message[: draw.choice([len(message)] * 9 + [draw.randint(0, len(message))])]


def test_the_sanitizer_is_at_work(built: tuple[str, Path]) -> None:
    """It ends a program that makes the mistake."""
    kind, driver = built
    assert subprocess.run([driver, kind], capture_output=True, check=False).returncode != 0


def test_no_message_leads_to_a_fault(built: tuple[str, Path]) -> None:
    """Of the corpus and of mutations; many are read, so that the readers were reached."""
    _, driver = built
    draw = random.Random(7)
    messages = [*CORPUS, *(mutated(draw) for _ in range(EXAMPLES))]
    sent = b"".join(struct.pack("<I", len(one)) + one for one in messages)
    done = subprocess.run([driver], input=sent, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-4000:]
    assert int(done.stdout) > EXAMPLES / 10
