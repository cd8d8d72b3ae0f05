"""The corpus and mutations of it. ROPEWALK_FUZZ_EXAMPLES is the number of mutations a test tries."""

from __future__ import annotations

import os

from hypothesis import strategies as st

from tests.fuzz.seeds import CORPUS

EXAMPLES = int(os.environ.get("ROPEWALK_FUZZ_EXAMPLES", "400"))


TOKENS = [
    b"null", b"true", b"NaN", b"1e400", b"-0", b"9" * 400, b'"', b"\\", b"\\ud800", b"[" * 600, b"{" * 600, b"]", b"}",
    b",", b'{"b64": "AAAA"}', b'"shape": [-1]', b'"shape": [9223372036854775807, 2]', b'"shape": []', b"\x00",
    b"\xff" * 9, b"\x80" * 12, b"\n", b"\n\n", b"..", b"/", b"%2e", b"BYTES", b"FP64", b"BOOL",
    b"\xf0\x9f\x98\x80", b"\xed\xa0\x80",
]  # fmt: skip


SEEDS = {
    target: {path.name: path.read_bytes() for path in sorted((CORPUS / target).iterdir())}
    for target in ("rest", "grpc")
}


@st.composite
def mutated(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """A message of the corpus with a few changes: bytes replaced, cut out, doubled, or another one's put in."""
    message = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(message)))
        end = min(len(message), at + draw(st.sampled_from([0, 1, 1, 2, 4, 8, 32])))
        other = draw(st.sampled_from(seeds))
        piece = draw(
            st.one_of(
                st.just(b""),
                st.sampled_from(TOKENS),
                st.binary(min_size=1, max_size=4),
                st.just(message[at:end] * 2),
                st.integers(0, len(other)).map(lambda start, other=other: other[start : start + 40]),
            )
        )
        message = message[:at] + piece + message[end:]
    return message
