"""Texts and times over every protocol: the same answer, missing ones, and what a wrong one is told."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grpc import StatusCode
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from examples.feedback import make_data
from ropewalk_model import manifest, text
from ropewalk_model.features import Encoder
from ropewalk_server.app import smoke_test
from ropewalk_server.serving.model import Model
from tests.server.apps import load
from tests.server.conftest import Server
from tests.server.grpc_clients import connected, refused, request
from tests.server.zoo import SAID, WORDS
from tests.trainer.support import EXAMPLES, Pod, example

SHOWN = ("metrics", "windows", "baseline", "status")
ROW: dict[str, Any] = {
    "comment": "Good \u2013 very GOOD! \U0001f600",
    "reply": "bad",
    "sent": "2026-02-03T09:30:00+01:00",
    "read": "2026-02-03t10:00:00.5z",
    "x": 0.5,
}


def predict(zoo: Server, *rows: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """TensorFlow Serving's answer to these rows."""
    return zoo.post(f"/v1/models/cancer/versions/{WORDS}:predict", {"instances": list(rows)})[:2]


def answer(zoo: Server, row: dict[str, Any]) -> dict[str, Any]:
    """The prediction of one row, which must be one."""
    status, document = predict(zoo, row)
    assert status == 200, document
    found: dict[str, Any] = document["predictions"][0]
    return found


@pytest.fixture(scope="module")
def model(zoo: Server) -> Model:
    """The version in this process."""
    return load(Path(zoo.root) / "claims" / "zoo" / str(WORDS), None)


@pytest.mark.parametrize(
    "same",
    [
        {"comment": "GOOD... very good \U0001f600"},
        {"comment": "good very good\U0001f600"},
        {"comment": {"b64": "R29vZCB2ZXJ5IGdvb2Qg8J+YgA=="}},
        {"comment": ROW["comment"] + "   !!!"},
        {"sent": "2026-02-03T08:30:00Z"},
        {"read": "2026-02-03T10:00:00Z"},
        {"read": "2026-02-03T11:00:00+01:00"},
    ],
)
def test_what_is_the_same_to_the_model(zoo: Server, same: dict[str, Any]) -> None:
    assert answer(zoo, {**ROW, **same}) == answer(zoo, ROW)


@pytest.mark.parametrize("other", [{"comment": "bad"}, {"sent": "2026-02-03T20:30:00Z"}, {"reply": "good"}])
def test_what_is_not(zoo: Server, other: dict[str, Any]) -> None:
    assert answer(zoo, {**ROW, **other}) != answer(zoo, ROW)


def test_a_missing_optional_one_is_null_or_empty_or_left_out(zoo: Server) -> None:
    """And not the same as a text of unknown words, or as the epoch."""
    for name, other in (("reply", "zzz"), ("read", "1970-01-01T00:00:00Z")):
        left_out = {key: value for key, value in ROW.items() if key != name}
        assert answer(zoo, left_out) == answer(zoo, {**ROW, name: None}) == answer(zoo, {**ROW, name: ""})
        assert answer(zoo, left_out) != answer(zoo, {**ROW, name: other})


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"comment": ""}, ["key: comment", "missing"]),
        ({"comment": None}, ["key: comment", "missing"]),
        ({"comment": 7}, ["key: comment", "7", "string"]),
        ({"sent": ""}, ["key: sent", "missing"]),
        ({"sent": "yesterday"}, ["element: 1", "key: sent", '"yesterday" is no time of RFC 3339', "2026-01-31T"]),
        ({"sent": "2026-02-03T09:30:00"}, ["key: sent", "RFC 3339"]),
        ({"sent": "2026-02-03 09:30:00Z"}, ["key: sent", "RFC 3339"]),
        ({"sent": "2026-02-30T09:30:00Z"}, ["key: sent", "RFC 3339"]),
        ({"read": "soon"}, ["key: read", '"soon"']),
        ({"sent": 1770000000}, ["key: sent", "string"]),
    ],
)
def test_a_wrong_one_is_named(zoo: Server, wrong: dict[str, Any], said: list[str]) -> None:
    status, document = predict(zoo, ROW, {**ROW, **wrong})
    assert status == 400
    for part in said:
        assert part in document["error"]


def test_all_protocols_answer_alike(zoo: Server) -> None:
    """TensorFlow Serving's columns, the Open Inference Protocol and both of their gRPC forms."""
    expected = np.array(answer(zoo, ROW)["probabilities"], dtype=np.float32)
    columns = {name: [value] for name, value in ROW.items()}
    status, document, _ = zoo.post(f"/v1/models/cancer/versions/{WORDS}:predict", {"inputs": columns})
    assert status == 200
    assert np.array_equal(np.array(document["outputs"]["probabilities"][0], dtype=np.float32), expected)
    kinds = {name: "FP32" if name == "x" else "BYTES" for name in ROW}
    inputs = [{"name": n, "datatype": kinds[n], "shape": [1], "data": [value]} for n, value in ROW.items()]
    status, document, _ = zoo.post(f"/v2/models/cancer/versions/{WORDS}/infer", {"inputs": inputs})
    assert status == 200
    (probabilities,) = (one for one in document["outputs"] if one["name"] == "probabilities")
    assert np.array_equal(np.array(probabilities["data"], dtype=np.float32), expected)
    arrays = {n: np.array([v], np.float32) if n == "x" else np.array([v.encode()], object) for n, v in ROW.items()}
    wrong = {**arrays, "sent": np.array([b"yesterday"], object)}
    with connected(zoo) as stubs:
        assert np.array_equal(stubs.predict(arrays, WORDS)["probabilities"][0], expected)
        code, said = refused(stubs.prediction.Predict, request(wrong, WORDS))
        assert code == StatusCode.INVALID_ARGUMENT
        assert '"yesterday" is no time of RFC 3339' in said
    client = InferenceServerClient(f"127.0.0.1:{zoo.grpc_port}")
    assert np.array_equal(client.infer("cancer", tensors(arrays), str(WORDS)).as_numpy("probabilities")[0], expected)
    with pytest.raises(InferenceServerException, match=r"input sent.*\"yesterday\" is no time of RFC 3339"):
        client.infer("cancer", tensors(wrong), str(WORDS))


def tensors(arrays: dict[str, Any]) -> list[InferInput]:
    """As tritonclient sends them."""
    found = []
    for name, array in arrays.items():
        found.append(InferInput(name, [1], np_to_triton_dtype(array.dtype)))
        found[-1].set_data_from_numpy(array)
    return found


def test_metadata_and_openapi_tell_what_is_wanted(zoo: Server) -> None:
    """A text is BYTES; the example's time is a time, and the example is answered."""
    inputs = zoo.get(f"/v2/models/cancer/versions/{WORDS}")[1]["inputs"]
    assert {one["name"]: one["datatype"] for one in inputs} == {
        **dict.fromkeys(("comment", "reply", "sent", "read"), "BYTES"),
        "x": "FP32",
    }
    path = zoo.get("/openapi.json")[1]["paths"][f"/v1/models/cancer/versions/{WORDS}:predict"]["post"]
    example = path["requestBody"]["content"]["application/json"]["example"]
    assert predict(zoo, *example["instances"])[0] == 200
    assert '"format": "date-time"' in json.dumps(path)


def test_a_long_text_costs_no_more_than_its_beginning(model: Model) -> None:
    """Words after the model's last and characters after the rule's are not read, whatever they are."""
    rows = [{**ROW, "comment": "good " * 6 + more} for more in ("", "bad " * 400_000, "\u4e00" * 400_000)]
    batch, _ = model.decoder.decode({"instances": rows}, max_rows=3)
    encoded = model.encode(batch)
    assert np.array_equal(encoded, np.repeat(encoded[:1], 3, axis=0))
    assert text.words("x" * text.MAX_CHARACTERS + " end", 5) == ["x" * text.MAX_CHARACTERS]


def test_windows_count_texts_by_length_and_unknown_words(model: Model, zoo: Server) -> None:
    """With the words that the model knows, which baseline.json has not; of a sensitive text no length is told."""
    bins = model.baseline.bins
    found = dict(zip(bins["reply"].names, bins["reply"].count(np.array([*SAID, ""], object)).tolist(), strict=True))
    assert found["(missing)"] == 1
    assert sum(count for name, count in found.items() if "more unknown" in name) == 3
    assert sum(count for name, count in found.items() if "all words known" in name) == 1
    assert bins["comment"].names[0] == "length 1, all words known"
    hours = bins["sent"].count(np.array(["2026-02-03T23:59:59Z", "2026-02-03T01:00:00+01:00"], object))
    assert dict(zip(bins["sent"].names, hours.tolist(), strict=True))["21..24"] == 1
    assert zoo.get(f"/v1/models/cancer/versions/{WORDS}")[0] == 200


def test_the_words_of_a_text_are_in_no_document_that_leaves_the_pod(zoo: Server, model: Model) -> None:
    answer(zoo, {**ROW, "comment": "a secret word of good people"})
    told = json.dumps([model.baseline_document, *(zoo.get(f"/{name}", monitoring=True)[1] for name in SHOWN)])
    assert "secret" not in told
    assert "caf" not in told
    directory = Path(zoo.root) / "claims" / "zoo" / str(WORDS)
    assert Encoder.from_document(json.loads((directory / manifest.FEATURES).read_text())).known_words["comment"]


def test_the_example_of_feedback_is_proved_by_the_smoke_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On every engine of this image, and answers the example's request."""
    pod = Pod(tmp_path, monkeypatch)
    pod.write("feedback/feedback.jsonl", "\n".join(json.dumps(one) for one in make_data.rows()))
    assert pod.run(example("feedback")).code == 0
    assert smoke_test.main() == 0
    said = json.loads((tmp_path / "termination-log").read_text())
    assert sorted(said["engines"]) == ["LiteRT", "ONNXRuntime", "OpenVINO", "TensorFlow"]
    version = load(tmp_path / "claims" / said["uri"].removeprefix("pvc://"), said["manifestDigest"])
    request = json.loads((EXAMPLES / "feedback" / "request.json").read_text())
    batch, _ = version.decoder.decode(request, max_rows=2)
    few = version.predict(batch)
    assert version.signature.answer(few)["label"].tolist() == ["complaint", "praise"]
    for engine in ("LiteRT", "OpenVINO", "ONNXRuntime"):
        same = load(tmp_path / "claims" / said["uri"].removeprefix("pvc://"), said["manifestDigest"], engine)
        session, encoded = same.session(), np.tile(same.encode(batch), (30_000, 1))
        before = resident()
        answers = session(encoded)
        assert np.allclose(answers, np.tile(few, (30_000, 1)), atol=1e-5)
        assert resident() - before < 100 << 20, f"{engine}: vectors of all words at once are 190 MB"


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
