"""The reader of numbers: what it answers is what `json` reads, and of all that is odd it says nothing."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ropewalk_server import native
from ropewalk_server.protocols.common.numbers import Reader
from tests.effort import examples

NAMES = ("a", "b")


def made(reader: Reader | None) -> Reader:
    """The reader, which needs the library that `make` builds."""
    assert reader is not None, "native.so is not there: run `python -m ropewalk_server.native.build`"
    return reader


ROWS = made(Reader.of_rows("instances", (3,)))
NAMED = made(Reader.of_names(native.NAMED_ROWS, "instances", NAMES))
COLUMNS = made(Reader.of_names(native.COLUMNS, "inputs", NAMES))
IMAGES = made(Reader.of_rows("instances", (4, 3, 1)))

normal = st.floats(-3.4e38, 3.4e38).filter(lambda one: one == 0 or abs(one) > 1.2e-38)
"""What float32 holds without being close to its ends; as float64, with all its digits."""
finite = normal | st.integers(-(2**70), 2**70) | st.decimals(-1000, 1000, places=4).map(float)
matrices = st.lists(st.lists(finite, min_size=3, max_size=3), min_size=1, max_size=20)


def narrow(values: Any) -> NDArray[np.float32]:
    """As Python reads numbers: the nearest double, then float32."""
    return np.array(values, dtype=np.float64).astype(np.float32)


def instances(values: Any) -> bytes:
    """A body in row form."""
    return json.dumps({"instances": values}).encode()


@settings(max_examples=examples(500))
@given(matrices)
@example([[0.0, -0.0, 7.205758974296064e16]])
@example([[16777217.0, 16777219, 0.1]])
def test_rows_are_what_json_reads(matrix: list[list[float]]) -> None:
    """To the last bit, and read here: the careful way is for what is odd."""
    found = ROWS.read(instances(matrix), 100)
    assert found is not None
    assert found.dtype == np.float32
    assert found.tobytes() == narrow(matrix).tobytes()


NUMBER = st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)


@settings(max_examples=examples(2000))
@given(NUMBER)
@example("1.00000005960464477539062500000000001")
@example("1.000000059604644775390625")
@example("3.4028235677973366e38")
@example("1.00000017881393432617187499")
@example("-0")
@example("-0.0e9")
@example("1e-46")
@example("9007199254740993e-1")
@example("0.000000000000000000000000000000000000000000000001e48")
def test_any_number_is_read_as_json_reads_it_or_not_at_all(text: str) -> None:
    """Digits without end, exponents of any size, values half way between two float32."""
    found = ROWS.read(b'{"instances":[[1,%b,2]]}' % text.encode(), 1)
    if found is not None:
        assert found.tobytes() == narrow([[1, float(json.loads(text)), 2]]).tobytes()


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=20))
def test_columns_are_what_json_reads(pairs: list[tuple[float, float]]) -> None:
    """In the order of the model's names, whatever the request's."""
    document = {"inputs": {"b": [b for _, b in pairs], "a": [a for a, _ in pairs]}}
    found = COLUMNS.read(json.dumps(document).encode(), 100)
    assert found is not None
    assert found.tobytes() == narrow(pairs).tobytes()


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=20), st.booleans())
def test_named_rows_are_what_json_reads(pairs: list[tuple[float, float]], turned: bool) -> None:
    """All rows in the same order of names, whichever it is."""
    found = NAMED.read(instances([{"b": b, "a": a} if turned else {"a": a, "b": b} for a, b in pairs]), 100)
    assert found is not None
    assert found.tobytes() == narrow(pairs).tobytes()


@settings(max_examples=examples(1000))
@given(st.sampled_from(["rows", "named", "columns"]), matrices, st.data())
def test_a_damaged_body_is_left_to_the_careful_decoder_or_read_as_json_reads_it(
    form: str, matrix: list[list[float]], data: st.DataObject
) -> None:
    """One byte replaced, inserted or taken away."""
    named: list[Any] = [{"a": a, "b": b} for a, b, _ in matrix]
    whole: dict[str, Any] = {"instances": matrix if form == "rows" else named}
    if form == "columns":
        whole = {"inputs": {"a": [a for a, _, _ in matrix], "b": [b for _, b, _ in matrix]}}
    body = json.dumps(whole).encode()
    at = data.draw(st.integers(0, len(body) - 1))
    marks = [b"", b"[", b"]", b",", b"9", b"-", b".", b"e", b'"', b"\\", b"{", b"}", b":", b"\xff", b" ", b"\0"]
    body = body[:at] + data.draw(st.sampled_from(marks)) + body[at + data.draw(st.integers(0, 1)) :]
    found = {"rows": ROWS, "named": NAMED, "columns": COLUMNS}[form].read(body, 100)
    if found is not None:
        read = json.loads(body)
        assert list(read) == list(whole)
        if form == "rows":
            expected = read["instances"]
        elif form == "named":
            expected = [[row["a"], row["b"]] for row in read["instances"]]
            assert all(len(row) == 2 for row in read["instances"])
        else:
            expected = list(zip(read["inputs"]["a"], read["inputs"]["b"], strict=True))
        assert found.tobytes() == narrow(expected).tobytes()


@settings(max_examples=examples(500))
@given(st.lists(st.binary(max_size=30) | matrices.map(instances), min_size=1, max_size=8), st.data())
def test_bodies_read_together_know_nothing_of_each_other(bodies: list[bytes], data: st.DataObject) -> None:
    """Cut anywhere, so that one seems to go on in the next."""
    stream = b"".join(bodies)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=3)))
    pieces = bodies + [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    most_each, most = data.draw(st.integers(1, 25)), data.draw(st.integers(1, 60))
    alone = [ROWS.read(one, most_each) for one in pieces]
    at = 0
    while at < len(pieces):
        found, counts = ROWS.read_together(pieces[at:], most_each, most)
        assert counts
        assert len(found) == sum(counts) <= most
        start = 0
        for count, one in zip(counts, alone[at:], strict=False):
            assert count == (0 if one is None or len(one) > most else len(one))
            assert count == 0 or (one is not None and found[start : start + count].tobytes() == one.tobytes())
            start += count
        at += len(counts)


@given(st.binary(max_size=60) | matrices.map(instances), st.integers(0, 8))
def test_nothing_is_written_beyond_the_room_that_is_given(body: bytes, room: int) -> None:
    """Nor where a body is not read in the end."""
    read = native.load()
    out = np.full(3 * 9, 7.0, dtype=np.float32)
    length, rows = np.array([len(body)], dtype=np.int64), np.zeros(1, dtype=np.int64)
    read(ROWS._form, body, length.ctypes.data, 1, out.ctypes.data, 100, room, rows.ctypes.data)
    assert (out[3 * room :] == 7.0).all()
    assert rows[0] <= room


@pytest.mark.parametrize(
    "value",
    [
        "[[1,2,3],[4,5]]",
        "[[1,2,3],[4,5,6,7]]",
        "[[1,2],[3,4],[5,6]]",
        "[[1,2,3],4,5,6]",
        "[1,2,3]",
        "[]",
        "[[]]",
        "[[1,2,NaN]]",
        "[[1,2,1e39]]",
        "[[1,2,1e400]]",
        "[[1,2,null]]",
        "[[1,2,true]]",
        '[[1,2,"3"]]',
        '[[1,2,3]], "instances": [[4,5,6]]',
        '[[1,2,3]], "signature_name": "x"',
        "[[1,2,3]]]",
        "[[1,2,3]",
    ],
)
def test_what_is_odd_gets_no_answer(value: str) -> None:
    """The careful decoder has the words for it."""
    assert ROWS.read(('{"instances": ' + value + "}").encode(), 100) is None


def test_too_many_rows_get_no_answer() -> None:
    """The limit is the careful decoder's to explain."""
    assert ROWS.read(instances([[1.5, 2.5, 3.5]] * 101), 100) is None
    assert NAMED.read(instances([{"a": 1, "b": 2}] * 101), 100) is None
    assert COLUMNS.read(json.dumps({"inputs": {"a": [1.0] * 101, "b": [1.0] * 101}}).encode(), 100) is None


@pytest.mark.parametrize(
    "row",
    ['{"a":1}', '{"a":1,"b":2,"c":3}', '{"a":1,"a":2}', '{"a":1,"b":null}', '{"a":1,"b":"2"}', '{"a":1,"c":2}',
     '{"a":1,"b":2},{"b":2,"a":1}', '{"a":1,"b":2},{"a":1}', '[1,2]', '{"\\u0061":1,"b":2}', '{"a" 1,"b":2}'],
)  # fmt: skip
def test_odd_named_rows_get_no_answer(row: str) -> None:
    """As with rows."""
    assert NAMED.read(('{"instances": [' + row + "]}").encode(), 100) is None


@pytest.mark.parametrize(
    "value",
    [
        '{"a": [1, 2], "b": [1]}',
        '{"a": [1, 2]}',
        '{"a": [1], "b": [1], "c": [1]}',
        '{"a": [1], "a": [1]}',
        '{"a": [1], "b": [null]}',
        '{"a": [1], "b": ["1"]}',
        '{"a": [1], "b": [[1]]}',
        '{"a": [1], "b": 1}',
        '{"a": 1, "b": [[1]]}',
        '{"a": [], "b": []}',
        "[[1, 2]]",
    ],
)
def test_odd_columns_get_no_answer(value: str) -> None:
    """As with rows."""
    assert COLUMNS.read(('{"inputs": ' + value + "}").encode(), 100) is None


def test_images_keep_their_shape() -> None:
    """Any depth that the signature declares."""
    image = np.arange(2 * 4 * 3, dtype=np.float32).reshape(2, 4, 3, 1) / 8
    found = IMAGES.read(instances(image.tolist()), 10)
    assert found is not None
    assert np.array_equal(found, image)
    assert math.prod(found.shape) == 24


def test_names_that_stand_otherwise_in_json_are_left_to_the_careful_decoder() -> None:
    """Quotes, escapes, other alphabets."""
    for names in (('a"',), ("a\\",), ("größe",), ("",), ()):
        assert Reader.of_names(native.NAMED_ROWS, "instances", names) is None
    assert Reader.of_rows("instances", ()) is None
    assert Reader.of_rows("instances", (2, 0)) is None


def test_without_the_library_there_is_no_reader(tmp_path: Any) -> None:
    """Not built, or for another processor."""
    assert native.load(tmp_path / "native.so") is None
    (tmp_path / "native.so").write_bytes(b"\x7fELF of something else")
    assert native.load(tmp_path / "native.so") is None


def test_names_are_found_in_any_order_but_not_at_any_cost() -> None:
    """To compare each of thousands with all of them takes a second, which all clients would wait for."""
    few, many = [f"feature_{n}" for n in range(30)], [f"feature_of_a_customer_{n}" for n in range(4000)]
    for names, orders in ((few, (few, few[::-1], sorted(few), few[7:] + few[:7])), (many, (many, many[9:] + many[:9]))):
        for kind in (native.NAMED_ROWS, native.COLUMNS):
            key = "instances" if kind == native.NAMED_ROWS else "inputs"
            reader = made(Reader.of_names(kind, key, names))
            for order in orders:
                row = {name: float(names.index(name)) for name in order}
                value: Any = [row] if kind == native.NAMED_ROWS else {name: [one] for name, one in row.items()}
                found = reader.read(json.dumps({key: value}).encode(), 1)
                assert found is not None
                assert found[0].tolist() == list(range(len(names)))
    reader = made(Reader.of_names(native.NAMED_ROWS, "instances", many))
    assert reader.read(instances([dict.fromkeys(many[::-1], 1)]), 1) is None


def test_a_few_rows_do_not_keep_the_room_of_a_large_body() -> None:
    """What is read may wait for long to be counted."""
    found = ROWS.read(instances([[1, 2, 3]]) + b" " * 100_000, 10_000)
    assert found is not None
    assert found.base is None or found.base.nbytes < 1000
