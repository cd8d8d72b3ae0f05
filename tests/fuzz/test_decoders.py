"""Whatever bytes come: an answer or an error that blames the client, never an exception, in time for its size.

`make fuzz` tries for long (ROPEWALK_FUZZ_EXAMPLES); `make test` replays the corpus and tries some hundred mutations.
A message that breaks something goes into corpus/ under a name that says what it is; with which status it is answered
stands in expected.py, with what is too large for a file.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ropewalk_server.telemetry.receipts import InvalidReceipt, Receipts, mac
from tests.fuzz import expected
from tests.fuzz.handlers import Handlers
from tests.fuzz.mutations import EXAMPLES, SEEDS, mutated
from tests.fuzz.seeds import grpc, rest


@pytest.fixture(scope="module")
def handlers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handlers]:
    """Both, over the zoo."""
    found = Handlers(tmp_path_factory.mktemp("fuzz"))
    yield found
    found.close()


@pytest.mark.parametrize(("target", "name"), [(target, name) for target in SEEDS for name in SEEDS[target]])
def test_the_corpus_is_answered(handlers: Handlers, target: str, name: str) -> None:
    """Every message that is kept, with the status that it had to have when it was put there."""
    outcome = handlers.targets[target](SEEDS[target][name])
    assert outcome.said.split()[0] == expected.of(target, name), outcome.said


@pytest.mark.parametrize("name", expected.LARGE)
def test_what_is_too_large_for_a_file_is_answered(handlers: Handlers, name: str) -> None:
    """The same for messages of hundreds of kilobytes."""
    target, message, word = expected.LARGE[name]
    outcome = handlers.targets[target](message)
    assert outcome.said.split()[0] == word, outcome.said


def test_every_status_that_is_expected_is_a_files() -> None:
    """A file that is renamed takes its expectation along."""
    for target, seeds in SEEDS.items():
        assert expected.WELL[target] | expected.OTHERWISE[target].keys() <= seeds.keys()


def test_valid_messages_are_what_clients_send_today() -> None:
    """The corpus' valid messages are those that seeds.py writes: it was run after the last change."""
    for target, written in {"rest": rest(), "grpc": grpc()}.items():
        assert written.keys() <= SEEDS[target].keys()
    assert {name: SEEDS["rest"][name] for name in rest()} == rest()


@pytest.mark.parametrize("target", SEEDS)
def test_mutations_are_answered(handlers: Handlers, target: str) -> None:
    """Hypothesis finds the smallest message that is not."""

    @settings(max_examples=EXAMPLES, deadline=2000, suppress_health_check=list(HealthCheck))
    @given(mutated(list(SEEDS[target].values())))
    def tried(message: bytes) -> None:
        outcome = handlers.targets[target](message)
        assert outcome.allowed, f"{outcome.said}: to be kept in {Path('tests/fuzz/corpus') / target}: {message!r}"

    tried()


RAW = {name: base64.b64decode(SEEDS["rest"][name].split(b'{"b64": "')[1].split(b'"')[0]) for name in ("png", "jpeg")}


def test_mutated_images_are_answered(handlers: Handlers) -> None:
    """The bytes of the files, not of their base64."""

    @settings(max_examples=EXAMPLES, deadline=2000, suppress_health_check=list(HealthCheck))
    @given(mutated(list(RAW.values())))
    def tried(image: bytes) -> None:
        document = {"instances": [{"b64": base64.b64encode(image).decode()}]}
        head = SEEDS["rest"]["png"].partition(b"\n\n")[0]
        outcome = handlers.rest(head + b"\n\n" + json.dumps(document).encode())
        assert outcome.allowed, outcome.said

    tried()


@settings(max_examples=EXAMPLES, deadline=2000)
@given(st.binary(max_size=200), st.integers(0, 7), st.sampled_from(["", ".0", ".1", ".-1", ".99", ".x", ".0.0"]))
def test_receipts_of_somebody_who_knows_the_key_are_read_or_refused(rest: bytes, flags: int, row: str) -> None:
    """They are signed, whatever else they hold."""
    key, digest = b"a key of more than 16 bytes", bytes(range(32))
    receipts = Receipts(key)
    for body in (rest, bytes((1, flags)) + (1).to_bytes(4, "big") + digest[:8] + rest):
        ident = base64.urlsafe_b64encode(body + mac(key, body)).rstrip(b"=").decode()
        with contextlib.suppress(InvalidReceipt):
            receipts.read(ident + row, {1: digest})
