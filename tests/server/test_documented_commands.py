"""The commands of TensorFlow Serving's own pages, by curl, and the answers that those pages show.

https://github.com/tensorflow/serving/blob/master/tensorflow_serving/g3doc/api_rest.md and docker.md beside it. Answers
are compared as JSON: upstream indents them.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.serving import tools
from ropewalk_model.features import FeatureSpec
from ropewalk_model.signature import Signature
from tests import foreign_models
from tests.server.conftest import Server, next_ports
from tests.server.zoo import MIXED, version
from tests.trainer.imports import imported

NAME, VERSION = "saved_model_half_plus_three", 123


@pytest.fixture(scope="module")
def half_plus_three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The pages' toy: y = x / 2 + 3, behind an encoding of x that is (x - 1.5) / 2."""
    root = tmp_path_factory.mktemp("half")
    feature = FeatureSpec("x", "Number")
    told = version(root, VERSION, [feature], Signature.for_task("Regression", [feature.tensor]), lambda x: x + 3.75)
    found = Server(root, next_ports())
    found.environment = {"ROPEWALK_MODEL": NAME}
    found.tell(VERSION, [told], model=NAME)
    found.start()
    found.until(lambda: found.get("/readyz", monitoring=True)[0] == 200)
    yield found
    assert found.stop() == 0


def run(server: Server, command: str) -> str:
    """What the command of a page prints, its port replaced by the server's."""
    curl, *given = shlex.split(command.replace("\\\n", " ").replace("localhost:8501", f"127.0.0.1:{server.ports[0]}"))
    assert curl == "curl"
    line = [tools.command(("curl", "curl")), "--silent", "--show-error", "--noproxy", "*", *given]
    return subprocess.run(line, capture_output=True, text=True, timeout=20, check=True).stdout


STATUS = """{
 "model_version_status": [
  {
   "version": "123",
   "state": "AVAILABLE",
   "status": {
    "error_code": "OK",
    "error_message": ""
   }
  }
 ]
}"""
URL = f"http://localhost:8501/v1/models/{NAME}"


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (f"curl {URL}", STATUS),
        (f"curl {URL}/versions/123", STATUS),
        (f"curl {URL}/labels/stable", STATUS),
        (f"""curl -d '{{"instances": [1.0,2.0,5.0]}}' -X POST {URL}:predict""", '{"predictions": [3.5, 4.0, 5.5]}'),
        (
            f"""curl -d '{{"instances": [1.0,2.0,5.0]}}' \\\n  -X POST {URL}/versions/123:predict""",
            '{"predictions": [3.5, 4.0, 5.5]}',
        ),
        (
            f"""curl -d '{{"instances": [1.0,2.0,5.0]}}' -X POST {URL}/labels/stable:predict""",
            '{"predictions": [3.5, 4.0, 5.5]}',
        ),
        # One named output: its name is left out, in either form; a named input may be named or not.
        (f"""curl -d '{{"instances": [{{"x": 1.0}}, {{"x": 2.0}}]}}' {URL}:predict""", '{"predictions": [3.5, 4.0]}'),
        (f"""curl -d '{{"inputs": {{"x": [1.0, 2.0]}}}}' {URL}:predict""", '{"outputs": [3.5, 4.0]}'),
        (f"""curl -d '{{"inputs": [1.0, 2.0]}}' {URL}:predict""", '{"outputs": [3.5, 4.0]}'),
        (
            f"""curl -d '{{"signature_name": "serving_default", "instances": [1]}}' {URL}:predict""",
            '{"predictions": [3.5]}',
        ),
    ],
)
def test_a_command_gets_the_answer_of_the_page(half_plus_three: Server, command: str, answer: str) -> None:
    """Status, and predictions in both forms, by name, version and label."""
    assert json.loads(run(half_plus_three, command)) == json.loads(answer)


def test_the_metadata_are_those_of_the_signature(half_plus_three: Server) -> None:
    """`signature_def` within `metadata`, as GetModelMetadataResponse has it."""
    for place in ("", "/versions/123", "/labels/stable"):
        document = json.loads(run(half_plus_three, f"curl {URL}{place}/metadata"))
        assert document["model_spec"] == {"name": NAME, "signature_name": "", "version": "123"}
        signature = document["metadata"]["signature_def"]["signature_def"]["serving_default"]
        assert signature["method_name"] == "tensorflow/serving/predict"
        assert signature["inputs"]["x"]["dtype"] == "DT_FLOAT"
        assert signature["inputs"]["x"]["tensor_shape"] == {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}


def test_an_incorrect_url_is_an_http_error(half_plus_three: Server) -> None:
    """The page's last command, with the head of its answer."""
    command = """curl -i -d '{"instances": [1.0,5.0]}' -X POST http://localhost:8501/v1/models/half:predict"""
    head, _, body = run(half_plus_three, command).replace("\r", "").partition("\n\n")
    line, *fields = head.split("\n")
    headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
    assert line == "HTTP/1.1 404 Not Found"
    assert headers["content-type"] == "application/json"
    assert headers["content-length"] == str(len(body))
    assert json.loads(body) == {"error": "Servable not found for request: Latest(half)"}


def test_the_regression_of_the_page_needs_a_signature_that_says_so(half_plus_three: Server) -> None:
    """The page asks a signature for regress. Versions of ours have one, for predict: upstream's words for that."""
    body = '{"signature_name": "tensorflow/serving/regress", "examples": [{"x": 1.0}, {"x": 2.0}]}'
    command = f"curl -d '{body}' \\\n  -X POST {URL}:regress"
    expected, was = ("tensorflow/serving/regress", "tensorflow/serving/predict")
    words = f"Expected a regression signature method_name to be {expected}. Was: {was}"
    assert json.loads(run(half_plus_three, command)) == {"error": words}


@pytest.fixture(scope="module")
def upstreams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The page's own toy, imported."""
    root = tmp_path_factory.mktemp("upstreams")
    told = imported(root, foreign_models.half_plus_three, VERSION)
    found = Server(root, next_ports())
    found.environment = {"ROPEWALK_MODEL": NAME}
    found.tell(VERSION, [{**told, "version": VERSION}], model=NAME)
    found.start()
    found.until(lambda: found.get("/readyz", monitoring=True)[0] == 200, 60)
    yield found
    assert found.stop() == 0


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (
            f"""curl -d '{{"signature_name": "tensorflow/serving/regress", """
            f""""examples": [{{"x": 1.0}}, {{"x": 2.0}}]}}' \\\n  -X POST {URL}:regress""",
            '{"results": [3.5, 4.0]}',
        ),
        (f"""curl -d '{{"instances": [1.0,2.0,5.0]}}' -X POST {URL}:predict""", '{"predictions": [3.5, 4.0, 5.5]}'),
        # The page has no command for classify: this is the form that it describes, a label and a score a class.
        (
            f"""curl -d '{{"signature_name": "classify_x_to_y", "examples": [{{"x": 1.0}}]}}' {URL}:classify""",
            '{"results": [[["", 3.5]]]}',
        ),
    ],
)
def test_upstreams_toy_answers_as_the_page_says(upstreams: Server, command: str, answer: str) -> None:
    """With signatures of all three methods, the regression's under the name that the page asks for."""
    assert json.loads(run(upstreams, command)) == json.loads(answer)


def test_several_named_tensors_in_rows_and_in_columns(zoo: Server) -> None:
    """The page's two forms of one request: objects in, objects out; an object of columns in, one of columns out.

    Text may come as `b64`, and `NaN` is a number there.
    """
    url = f"http://localhost:8501/v1/models/cancer/versions/{MIXED}:predict"
    rows: list[dict[str, Any]] = [
        {"x": 1.0, "y": -0.5, "n": 3, "m": 4, "ok": True, "plan": "pro", "note": "a"},
        {"x": 2.5, "y": 1.5, "n": -1, "m": 0, "ok": False, "plan": "free", "note": "b"},
    ]
    columns = {name: [row[name] for row in rows] for name in rows[0]}

    def ask(document: dict[str, Any]) -> Any:
        return json.loads(run(zoo, f"curl -d {shlex.quote(json.dumps(document))} -X POST {url}"))

    by_row = ask({"instances": rows})["predictions"]
    by_column = ask({"inputs": columns})["outputs"]
    assert set(by_column) == {"label", "score", "probabilities"}
    assert by_row == [{name: values[index] for name, values in by_column.items()} for index in range(2)]
    encoded = [{**rows[0], "plan": {"b64": "cHJv"}}, rows[1]]
    assert ask({"instances": encoded})["predictions"] == by_row
    assert ask({"inputs": {**columns, "plan": [{"b64": "cHJv"}, {"b64": "ZnJlZQ=="}]}})["outputs"] == by_column
    absent = {name: value for name, value in rows[0].items() if name != "y"}
    assert ask({"instances": [{**rows[0], "y": float("nan")}]}) == ask({"instances": [absent]})
    both = {"error": "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist"}
    assert ask({"instances": rows, "inputs": columns}) == both
