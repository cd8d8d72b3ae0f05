"""The engines' package: no library is imported before an engine is loaded; names of inputs and outputs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ropewalk_model.engines import EngineError
from ropewalk_model.engines.interface import input_names, output_names

LIBRARIES = ("ai_edge_litert", "openvino", "onnxruntime", "onnx", "tensorflow", "google")


def test_the_package_imports_no_engines_library() -> None:
    """The operator, and a server of one engine, must not pay for the others."""
    program = "import sys, ropewalk_model.engines; print(*(name.split('.')[0] for name in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "ropewalk_model" in loaded
    assert not {*loaded} & {*LIBRARIES}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["anything"], {"x": 0}),
        (["serving_default_ids:0", "serving_default_x:0"], {"x": 1, "ids": 0}),
        (["x:0", "ids:0"], {"x": 0, "ids": 1}),
    ],
)
def test_inputs_are_told_apart_by_name(names: list[str], expected: dict[str, int]) -> None:
    """Whatever their order; an only input is x."""
    assert input_names("E", names) == expected


@pytest.mark.parametrize("names", [[], ["x", "y"], ["x", "ids", "more"], ["a_x", "ids"], ["ids", "ids"]])
def test_other_inputs_are_refused(names: list[str]) -> None:
    with pytest.raises(EngineError, match="its inputs are"):
        input_names("E", names)


def test_outputs_are_told_apart_by_the_map() -> None:
    """Without one an only output is y, as in the versions that were published before there was a map."""
    names = ["PartitionedCall:1", "PartitionedCall:0"]
    assert output_names("E", names, {"a": "PartitionedCall:0", "b": "PartitionedCall:1"}) == {"a": 1, "b": 0}
    assert output_names("E", names[:1], {}) == {"y": 0}
    assert output_names("E", names, None) == {"PartitionedCall:1": 0, "PartitionedCall:0": 1}
    with pytest.raises(EngineError, match="the manifest's map is"):
        output_names("E", names, {"a": "Identity"})
    with pytest.raises(EngineError, match="the manifest's map is"):
        output_names("E", names, {})
