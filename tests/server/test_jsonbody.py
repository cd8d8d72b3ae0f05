"""What JSON may not have: a key twice, half of a surrogate pair; and what it may."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk_server import native
from ropewalk_server.protocols.common.jsonbody import MOST_NESTED, BadRequest, parse_object, refuse_depth
from ropewalk_server.protocols.common.numbers import Reader
from tests.effort import examples

READERS = (
    Reader.of_rows("instances", (1,)),
    Reader.of_names(native.NAMED_ROWS, "instances", ("a", "b")),
    Reader.of_names(native.COLUMNS, "inputs", ("a", "b")),
)
ROWS = '{"instances": [{"a": 1, "b": 2}, {"a": 1, "b": "x:y"}]}'


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{"instances": [[1]], "instances": [[2]]}', "instances"),
        ('{"instances": [{"a": 1, "a": 2}]}', "a"),
        ('{"instances": [{"a": 1, "b": 2}, {"a": 1, "a" : 2}]}', "a"),
        ('{"instances": [{"a": ":", "b": "12:30:05", "b": ""}]}', "b"),
        ('{"instances": [{"a": "\\u003a\\u003a", "b": 1, "b": "x"}]}', "b"),
        ('{"inputs": {"a": [1], "a": [2]}}', "a"),
        ('{"inputs": {"a": [1], "\\u0061": [2]}}', "a"),
        ('{"inputs": [{"name": "a", "parameters": {"b": 1, "b": 2}}]}', "b"),
        ('{"instances": [{"p": {"b64": "", "b64": ""}}]}', "b64"),
        ('{"instances": [{"a": 1, "a": 1}, 5]}', "a"),
    ],
)
def test_a_key_that_stands_twice_is_named(text: str, name: str) -> None:
    """Wherever it stands, and however it is written."""
    with pytest.raises(BadRequest, match=f'key "{name}" stands twice'):
        parse_object(text.encode())
    assert all(reader is None or reader.read(text.encode(), 10) is None for reader in READERS)


def test_a_key_that_stands_twice_among_many_is_found_in_one_pass() -> None:
    """Comparing each with all takes minutes for a body of 4 MiB, and every client waits meanwhile."""
    keys = ",".join(f'"k{number}": 0' for number in range(20_000))
    began = time.process_time()
    with pytest.raises(BadRequest, match='key "k19999" stands twice'):
        parse_object(f'{{{keys}, "k19999": 1}}'.encode())
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    "text",
    [
        ROWS,
        '{"instances": [{"a:b": ":", "c": "\\u003a", "d": {"b64": ""}}], ":": [":", {":": {}}]}',
        '{"inputs": [{"name": "a", "parameters": {"b": 1}}, {"name": "a"}], "parameters": {"b": {"b": ":::"}}}',
        '{"instances": [1, ":", {"a": 1}]}',
        '{"instances": [{"a": 1}, ":", 1]}',
    ],
)
def test_the_same_key_in_different_objects_and_colons_are_no_repetition(text: str) -> None:
    """Colons are what keys are counted by."""
    assert parse_object(text.encode()) == json.loads(text)


documents = st.recursive(
    st.none() | st.integers(-5, 5) | st.text(alphabet=':"\\ua', max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", ":", "instances"]), inner),
    max_leaves=12,
)


@settings(max_examples=examples(300), deadline=None)
@given(st.dictionaries(st.sampled_from(["instances", "inputs", "x"]), documents), st.booleans())
def test_what_json_writes_is_read(document: dict[str, object], ascii_only: bool) -> None:
    """Never a false alarm."""
    assert parse_object(json.dumps(document, ensure_ascii=ascii_only).encode()) == document


@pytest.mark.parametrize("text", ['{"instances": [{"a": NaN, "\\ud800": 1}]}', '{"id": "\\udfff", "x": Infinity}'])
def test_half_of_a_surrogate_pair_is_refused(text: str) -> None:
    """Beside NaN too, where another parser reads; it could not be written in any answer."""
    for body in (text, text.replace("NaN", "1").replace("Infinity", "1")):
        with pytest.raises(BadRequest, match="urrogate"):
            parse_object(body.encode())
    assert parse_object(b'{"a": NaN, "b": "\\ud83d\\ude00"}')["b"] == "\N{GRINNING FACE}"


def test_depth_is_bounded_where_nothing_else_bounds_it() -> None:
    """The values at some keys are left to those who know their shape."""
    deep = {"x": json.loads("[" * 40 + "]" * 40)}
    refuse_depth(deep, "x")
    for document in (deep, {"a": [{"b": deep}]}):
        with pytest.raises(BadRequest, match="32 levels") as found:
            refuse_depth(document, "instances")
        assert found.value.reason == "json_depth"


@pytest.mark.parametrize(
    ("piece", "each", "words"),
    [
        ("[]", 1, "lists and objects"),
        ("[[[1]]]", 3, "lists and objects"),
        ('{"a": 1}', 2, "lists and objects"),
        ("NaN", 1, "values beside NaN"),
    ],
)
def test_a_document_of_countless_small_things_is_refused_before_it_is_parsed(piece: str, each: int, words: str) -> None:
    """They are made in one call that lets nobody else in: 4 MiB of them took a quarter of a second."""
    at_most = (MOST_NESTED - 3) // each
    assert len(parse_object(f'{{"instances": [{",".join([piece] * at_most)}]}}'.encode())["instances"]) == at_most
    with pytest.raises(BadRequest, match=f"more than {MOST_NESTED} {words}") as found:
        parse_object(f'{{"instances": [{",".join([piece] * (at_most + 5))}]}}'.encode())
    assert found.value.status == 413


def test_what_pixels_need_is_allowed() -> None:
    """A list a pixel, in as many bytes as a body has by default; and in proportion, where it may have more."""
    for size in (4 << 20, 8 << 20):
        pixels = ",".join(["[12,255,3]"] * (size // 11))
        assert len(parse_object(f'{{"instances": [{pixels}]}}'.encode())["instances"]) == size // 11
