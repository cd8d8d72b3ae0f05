"""PNG and JPEG files in requests: every filter, bombs, and who unpacks them."""

from __future__ import annotations

import asyncio
import base64
import struct
import time
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import simplejpeg
from numpy.typing import NDArray

from ropewalk_model.signature import Signature, TensorSpec
from ropewalk_server.protocols.common.decode import Decoder
from ropewalk_server.protocols.common.images import AT_ONCE, InvalidImage, decode_images
from ropewalk_server.protocols.common.jsonbody import BadRequest
from ropewalk_server.protocols.common.must_offload import MustOffload
from ropewalk_trainer.data.formats import File, read_image_folder
from tests.png_files import FORMS, SIZE, written
from tests.server.conftest import Server
from tests.server.grpc_clients import connected
from tests.server.zoo import IMAGE

COLOURS = {1: 0, 3: 2, 2: 4, 4: 6}
SHAPES = [(4, 4, 1), (1, 7, 3), (9, 1, 4), (5, 6, 2), (1, 1, 1)]


def png(pixels: NDArray[np.uint8], filters: Sequence[int]) -> bytes:
    """A PNG file; line i is written with filter `filters[i % len(filters)]`
    (https://www.w3.org/TR/png-3/#9Filters, value by value)."""
    height, width, channels = pixels.shape
    lines = bytearray()
    for y in range(height):
        method = filters[y % len(filters)]
        lines.append(method)
        for x in range(width):
            for z in range(channels):
                left = int(pixels[y, x - 1, z]) if x else 0
                up = int(pixels[y - 1, x, z]) if y else 0
                corner = int(pixels[y - 1, x - 1, z]) if x and y else 0
                near = min((left, up, corner), key=lambda one: abs(left + up - corner - one))
                guess = (0, left, up, (left + up) // 2, near)[method]
                lines.append((int(pixels[y, x, z]) - guess) & 255)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, COLOURS[channels], 0, 0, 0)
    packed = zlib.compress(bytes(lines), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("filters", [(0,), (1,), (2,), (3,), (4,), (4, 3, 2, 1, 0), (0, 1, 2, 3, 4)])
def test_every_filter_is_undone(shape: tuple[int, ...], filters: Sequence[int]) -> None:
    """One image and many, among raw ones."""
    pixels = np.random.default_rng(3).integers(0, 256, (3, *shape)).astype(np.uint8)
    files = [png(pixels[0], filters), pixels[1].tobytes(), png(pixels[2], filters)]
    assert np.array_equal(decode_images(files, shape), pixels)
    assert np.array_equal(decode_images(files * 50, shape), np.tile(pixels, (50, 1, 1, 1)))


def test_what_is_no_image_is_told_by_its_row() -> None:
    """And what to send instead."""
    good = png(np.zeros((4, 4, 1), np.uint8), (4,))
    for wrong, words in (
        (b"\xff\xd8\xff" + bytes(40), "the JPEG is damaged"),
        (simplejpeg.encode_jpeg(np.zeros((4, 5, 1), np.uint8), colorspace="GRAY"), r"a JPEG of \[4, 5\]"),
        (b"12345", r"neither a PNG, a JPEG nor 16 raw bytes \(shape \[4, 4, 1\]\), but 5 bytes"),
        (good[:60], "damaged"),
        (png(np.zeros((4, 5, 1), np.uint8), (0,)), r"\[4, 5\]"),
    ):
        with pytest.raises(InvalidImage, match=words) as found:
            decode_images([good, wrong, good], (4, 4, 1))
        assert found.value.row == 1


def test_ten_thousand_images_cost_a_fraction_of_a_second() -> None:
    """77 bytes each in the body, Paeth in every line: 3.6 s one after the other, and in the event loop."""
    one = png(np.arange(784, dtype=np.uint8).reshape(28, 28, 1), (4,))
    files = [one] * 10_000
    began = time.process_time()
    decode_images(files, (28, 28, 1))
    assert time.process_time() - began < 1.5


async def test_an_event_loop_unpacks_little() -> None:
    """More is for another thread."""
    one = png(np.zeros((28, 28, 1), np.uint8), (4,))
    assert decode_images([one], (28, 28, 1)).shape == (1, 28, 28, 1)
    many = [one] * (AT_ONCE // 784)
    with pytest.raises(MustOffload):
        decode_images(many, (28, 28, 1))
    assert len(await asyncio.to_thread(decode_images, many, (28, 28, 1))) == len(many)


def test_rows_are_bounded_by_what_they_become() -> None:
    """224 x 224 x 3 in a PNG of a few bytes: 413 before anything is allocated, with the size and the bound."""
    shape = (224, 224, 3)
    signature = Signature.for_task("Regression", [TensorSpec("p", "UINT8", (-1, *shape))])
    decoder = Decoder(signature, encoded_values=224 * 224 * 3)
    most = decoder.rows_in(64 << 20)
    with pytest.raises(BadRequest, match=rf"{most + 1} rows, at most {most} .* 752640 bytes") as found:
        decoder.decode({"instances": [{"b64": ""}] * (most + 1)}, most)
    assert found.value.status == 413
    one_hot = Decoder(Signature.for_task("Regression", [TensorSpec("c", "STRING")]), encoded_values=50_000)
    with pytest.raises(BadRequest, match="10000 rows"):
        one_hot.decode({"inputs": {"c": ["x"] * 10_000}}, one_hot.rows_in(64 << 20))


def test_many_images_are_answered_in_every_protocol(zoo: Server) -> None:
    """Unpacked beside the event loop: the answers, and the errors, are those of few images."""
    pixels = np.random.default_rng(9).integers(0, 256, (1000, 4, 4, 1)).astype(np.uint8)
    files = [png(one, (4, 3)) for one in pixels]
    assert sum(map(len, files)) > AT_ONCE
    v1, v2 = f"/v1/models/cancer/versions/{IMAGE}:predict", f"/v2/models/cancer/versions/{IMAGE}/infer"
    expected = zoo.post(v1, {"inputs": pixels.tolist()})[1]["outputs"]["probabilities"]

    def rest(files: Sequence[bytes]) -> tuple[int, Any]:
        status, answer, _ = zoo.post(v1, {"inputs": [{"b64": base64.b64encode(one).decode()} for one in files]})
        return status, answer["outputs"]["probabilities"] if status == 200 else answer["error"]

    def infer(files: Sequence[bytes]) -> tuple[int, Any]:
        data = [base64.b64encode(one).decode() for one in files]
        given = {"name": "pixels", "datatype": "BYTES", "shape": [len(data)], "data": data}
        outputs = [{"name": "probabilities"}]
        document = {"inputs": [{**given, "parameters": {"content_type": "base64"}}], "outputs": outputs}
        status, answer, _ = zoo.post(v2, document)
        return status, answer["outputs"][0]["data"] if status == 200 else answer["error"]

    for ask in (rest, infer):
        status, got = ask(files)
        assert status == 200, got
        assert np.array_equal(np.reshape(got, (1000, 3)), expected)
        status, error = ask([*files, files[0][:60]])
        assert (status, "1000" in error, "damaged" in error) == (400, True, True)
    with connected(zoo) as client:
        got = client.predict({"pixels": np.array(files, dtype=object)}, IMAGE)["probabilities"]
        assert np.array_equal(got, np.array(expected, dtype=np.float32))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("stored", ["444", "420"])
def test_a_jpeg_becomes_what_training_saw(channels: int, stored: str) -> None:
    """The trainer's reader and the server's, on one file; colour and greyscale become each other."""
    pixels = np.random.default_rng(11).integers(0, 256, (23, 30, 3)).astype(np.uint8)
    shape = (23, 30, channels)
    for file in (
        simplejpeg.encode_jpeg(pixels, colorsubsampling=stored),
        simplejpeg.encode_jpeg(pixels[:, :, :1].copy(), colorspace="GRAY", colorsubsampling="Gray"),
    ):
        context = {"image": "picture", "label": "kind", "shape": shape}
        seen = read_image_folder([File("cats/1.jpg", file)], ["picture", "kind"], context).columns["picture"]
        assert np.array_equal(decode_images([file], shape), seen)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(("colour", "bits"), FORMS)
def test_training_and_serving_take_the_same_png_files(colour: int, bits: int, channels: int) -> None:
    """With the same pixels; what one refuses the other refuses."""
    shape = (*SIZE, channels)
    context = {"image": "picture", "label": "kind", "shape": shape}
    whole, _ = written(colour, bits, interlaced=True)
    for file in (whole, whole[:-13]):
        raw = read_image_folder([File("cats/1.png", file)], ["picture", "kind"], context)
        if raw.broken:
            with pytest.raises(InvalidImage):
                decode_images([file], shape)
        else:
            assert np.array_equal(decode_images([file], shape), raw.columns["picture"])


def test_raw_pixels_may_begin_as_a_jpeg_does() -> None:
    """And a JPEG may be as long as the pixels that it becomes."""
    pixels = np.full((1, 16, 16, 1), 255, np.uint8)
    pixels[0, 0, 1, 0] = 0xD8
    assert np.array_equal(decode_images([pixels.tobytes()], (16, 16, 1)), pixels)
    file = simplejpeg.encode_jpeg(np.full((30, 30, 1), 7, np.uint8), colorspace="GRAY", colorsubsampling="Gray")
    file += bytes(900 - len(file))
    assert decode_images([file], (30, 30, 1)).max() == 7


def test_jpeg_files_are_answered_in_every_protocol(zoo: Server) -> None:
    """As their pixels are; one that is cut off is refused by its row."""
    random = np.random.default_rng(13)
    pixels = random.integers(0, 256, (5, 4, 4, 1)).astype(np.uint8)
    files = [simplejpeg.encode_jpeg(one, colorspace="GRAY", colorsubsampling="Gray") for one in pixels]
    texts = [base64.b64encode(one).decode() for one in [*files, files[0][:-30]]]
    v1, v2 = f"/v1/models/cancer/versions/{IMAGE}:predict", f"/v2/models/cancer/versions/{IMAGE}/infer"
    seen = decode_images(files, (4, 4, 1)).tolist()
    expected = zoo.post(v1, {"inputs": seen})[1]["outputs"]["probabilities"]

    def infer(data: list[str]) -> dict[str, Any]:
        given = {"name": "pixels", "datatype": "BYTES", "shape": [len(data)], "data": data}
        outputs = [{"name": "probabilities"}]
        return {"inputs": [{**given, "parameters": {"content_type": "base64"}}], "outputs": outputs}

    assert zoo.post(v1, {"inputs": [{"b64": one} for one in texts[:5]]})[1]["outputs"]["probabilities"] == expected
    rows = zoo.post(v1, {"instances": [{"pixels": {"b64": one}} for one in texts[:5]]})[1]["predictions"]
    assert [row["probabilities"] for row in rows] == expected
    got = zoo.post(v2, infer(texts[:5]))[1]["outputs"][0]["data"]
    assert np.array_equal(np.reshape(got, (5, 3)), expected)
    with connected(zoo) as client:
        got = client.predict({"pixels": np.array(files, dtype=object)}, IMAGE)["probabilities"]
        assert np.array_equal(got, np.array(expected, dtype=np.float32))
    for path, document in ((v1, {"inputs": [{"b64": one} for one in texts]}), (v2, infer(texts))):
        status, answer, _ = zoo.post(path, document)
        assert (status, "5" in answer["error"], "the JPEG is damaged" in answer["error"]) == (400, True, True)
