"""Bad input gets a reason, a message that names the thing, and the exit code that keeps it from being tried again."""

from __future__ import annotations

import copy
import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ropewalk_model import manifest
from ropewalk_trainer import lazy_imports, main
from tests.trainer.support import Pod, Result, example

Rows = list[dict[str, str]]
FAST = [{"name": "epochs", "value": "2"}]


def rows_of(text: str) -> Rows:
    """CSV to rows."""
    return list(csv.DictReader(io.StringIO(text)))


def text_of(rows: Rows) -> str:
    """Rows to CSV."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def spec(**changes: Any) -> dict[str, Any]:
    """The tabular example's spec, trained for two epochs, some parts replaced."""
    found = copy.deepcopy(example("tabular"))
    found["train"]["hyperparameters"] = FAST
    found["evaluate"] = {}
    return found | changes


def edited(rows: Rows, column: str, change: Callable[[str], str], every: int) -> Rows:
    """Every n-th row with its value of a column changed."""
    return [{**row, column: change(row[column])} if i % every == 0 else row for i, row in enumerate(rows)]


def failed(result: Result, reason: str, code: int = 65) -> str:
    """The message of a run that failed for this reason and published nothing."""
    assert (result.message["outcome"], result.reason, result.code) == ("Failed", reason, code)
    assert result.publish is None
    assert result.record["reason"] == reason
    return str(result.message["message"])


def test_missing_file(pod: Pod) -> None:
    assert "pvc://data/cancer/*.csv matches no file" in failed(pod.run(spec()), "SourceNotFound")


@pytest.mark.parametrize("content", ["", "\n\n", "mean radius,diagnosis\n"])
def test_empty_file(pod: Pod, content: str, cancer: str) -> None:
    header = cancer.splitlines()[0] + "\n"
    pod.write("cancer/train.csv", header if "," in content else content)
    failed(pod.run(spec()), "EmptySource")


def test_wrong_column(pod: Pod, cancer: str) -> None:
    pod.write("cancer/train.csv", cancer.replace("mean radius", "avg radius", 1))
    message = failed(pod.run(spec()), "MissingColumn")
    assert "mean radius" in message
    assert "avg radius" in message, "what there is instead"


def test_wrong_type(pod: Pod, cancer: str) -> None:
    pod.write("cancer/train.csv", text_of(edited(rows_of(cancer), "mean area", lambda v: "n.a.!", 1)))
    message = failed(pod.run(spec()), "WrongType")
    assert "mean_area" in message
    assert "'n.a.!'" in message


def test_five_percent_bad_rows_fail_by_default(pod: Pod, cancer: str) -> None:
    pod.write("cancer/train.csv", text_of(edited(rows_of(cancer), "mean area", lambda v: "broken", 20)))
    result = pod.run(spec())
    failed(result, "WrongType")
    assert result.message["anomalies"] == [
        {"feature": "mean_area", "reason": "WrongType", "count": 29, "share": "0.05097", "example": "broken"}
    ]
    assert result.states["Validate"] == "Failed"


def test_five_percent_bad_rows_are_left_out_where_that_is_allowed(pod: Pod, cancer: str) -> None:
    pod.write("cancer/train.csv", text_of(edited(rows_of(cancer), "mean area", lambda v: "broken", 20)))
    result = pod.run(spec(validate={"onAnomaly": "Warn"}))
    assert result.code == 0, result.message
    assert sum(result.message["rows"].values()) == 569 - 29
    assert result.message["anomalies"][0]["reason"] == "WrongType"
    result.candidate()


def test_sensitive_values_stay_in_the_store(pod: Pod, cancer: str) -> None:
    changed = spec()
    changed["schema"]["features"][3]["sensitive"] = True
    pod.write("cancer/train.csv", text_of(edited(rows_of(cancer), "mean area", lambda v: "SECRET", 20)))
    result = pod.run(changed)
    assert "SECRET" not in failed(result, "WrongType")
    assert "example" not in result.message["anomalies"][0]
    assert "SECRET" not in (result.directory / "statistics.json").read_text()


def json_lines(*odd: str) -> str:
    """120 rows as JSON lines, these among them."""
    rows = [f'{{"plan": "{("free", "pro")[i % 2]}", "churned": "{("no", "yes")[i // 2 % 2]}"}}' for i in range(120)]
    return "\n".join([*rows[:60], *odd, *rows[60:]])


def lines_spec(**more: Any) -> dict[str, Any]:
    """A spec for `json_lines`, its one Category sensitive."""
    found = category(sensitive=True, **more)
    found["source"] = {**found["source"], "uri": "pvc://data/plans.jsonl", "format": "JSONLines"}
    return found


@pytest.mark.parametrize(
    "line", ['{"plan": "SECRET"', '"SECRET"', '{"plan": "SECRET\\ud800"}', '{"SECRET\\udfff": 1}', "[" * 100_000]
)
def test_a_line_that_is_no_json_object_is_told_by_its_place(pod: Pod, line: str) -> None:
    """Its content may be sensitive, too deep, or no text that could be stored."""
    pod.write("plans.jsonl", json_lines(line))
    result = pod.run(lines_spec())
    assert "SECRET" not in failed(result, "WrongType")
    assert result.message["anomalies"][0]["example"] == "line 61 of plans.jsonl"


def test_emoji_are_text(pod: Pod) -> None:
    """Escaped as JSON does it, with a pair of surrogates."""
    pod.write("plans.jsonl", json_lines('{"plan": "\\ud83d\\ude00", "churned": "no"}'))
    found = lines_spec()
    found["schema"]["features"][0] |= {"sensitive": False}
    assert "'\U0001f600'" in failed(pod.run(found), "UnknownCategory")


@pytest.mark.parametrize("kind", ["Number", "Integer", "Image"])
def test_an_integer_of_400_digits_is_no_number(pod: Pod, kind: str) -> None:
    shape = {"shape": [1, 1, 1]} if kind == "Image" else {}
    lines = [f'{{"x": {[i] if shape else i}, "y": "{("no", "yes")[i % 2]}"}}' for i in range(120)]
    lines[7] = f'{{"x": {"9" * 400}, "y": "no"}}'
    pod.write("plans.jsonl", "\n".join(lines))
    found = lines_spec()
    found["schema"] = {"label": {"name": "y", "type": "Category"}, "features": [{"name": "x", "type": kind, **shape}]}
    assert "x: WrongType in 1 rows" in failed(pod.run(found), "WrongType")


def test_a_csv_line_of_another_length_is_not_quoted(pod: Pod) -> None:
    """Wherever it stands, and it is left out where that is allowed."""
    pod.write("cancer/train.csv", plans("free").replace("\n", "\nSECRET,no,more\n", 1))
    result = pod.run(category())
    assert "SECRET" not in failed(result, "WrongType")
    assert result.message["anomalies"][0]["example"] == "3 values for 2 columns"


def test_a_csv_header_that_is_no_text(pod: Pod) -> None:
    pod.write("cancer/train.csv", b"plan\xff,churned\nfree,no\n")
    failed(pod.run(category()), "WrongFormat")


def test_a_sensitive_column_is_quoted_in_no_other_use_either(pod: Pod) -> None:
    """As the time to split by, here."""
    pod.write("plans.jsonl", json_lines('{"plan": "SECRET", "churned": "no"}'))
    found = lines_spec(values=["free", "pro", "SECRET"])
    found["source"]["split"] = {"by": "Time", "column": "plan"}
    message = failed(pod.run(found), "WrongType")
    assert message.startswith("plan: a value is neither a number nor")


def test_a_folder_whose_name_is_no_text_is_no_class(pod: Pod) -> None:
    """Linux takes any bytes as a name."""
    folder = os.fsencode(pod.root / "claims" / "data" / "pictures") + b"/cat\xff"
    os.makedirs(folder)
    tf = lazy_imports.tensorflow()
    for number in range(100):
        pixels = tf.io.encode_png(np.full((2, 2, 1), number, np.uint8)).numpy()
        if number == 0:
            Path(os.fsdecode(folder), "0.png").write_bytes(pixels)
        pod.write(f"pictures/{('dog', 'cow')[number % 2]}/{number}.png", pixels)
    found = spec()
    found["source"] = {"uri": "pvc://data/pictures", "format": "ImageFolder"}
    features = [{"name": "picture", "type": "Image", "shape": [2, 2, 1]}]
    found["schema"] = {"label": {"name": "kind", "type": "Category"}, "features": features}
    found["train"]["template"] = "Image"
    assert "kind: WrongType in 1 rows" in failed(pod.run(found), "WrongType")


def test_a_version_says_which_of_its_features_are_sensitive(pod: Pod, cancer: str) -> None:
    """Its server counts their values and must not name them."""
    changed = spec()
    changed["schema"]["features"][3]["sensitive"] = True
    pod.write("cancer/train.csv", cancer)
    result = pod.run(changed)
    assert result.code == 0, result.message
    features = result.candidate().read_json(manifest.BASELINE)["features"]
    assert [one["name"] for one in features if one["bins"].get("sensitive")] == ["mean_area"]


def test_a_nan_label(pod: Pod, cancer: str) -> None:
    pod.write("cancer/train.csv", text_of(edited(rows_of(cancer), "diagnosis", lambda v: "NaN", 100)))
    assert "diagnosis: NaNLabel in 6 rows" in failed(pod.run(spec()), "NaNLabel")


def test_a_label_of_one_class(pod: Pod, cancer: str) -> None:
    rows = [row for row in rows_of(cancer) if row["diagnosis"] == "benign"]
    pod.write("cancer/train.csv", text_of(rows))
    assert "'benign'" in failed(pod.run(spec()), "SingleClassLabel")


def test_an_unknown_class(pod: Pod, cancer: str) -> None:
    pod.write("cancer/train.csv", text_of(edited(rows_of(cancer), "diagnosis", lambda v: "unsure", 50)))
    assert "'unsure'" in failed(pod.run(spec()), "UnknownCategory")


def category(**more: Any) -> dict[str, Any]:
    """A spec whose only feature is a Category."""
    changed = spec()
    changed["schema"]["features"] = [{"name": "plan", "type": "Category", "values": ["free", "pro"], **more}]
    changed["schema"]["label"] = {"name": "churned", "type": "Category"}
    return changed


def plans(strange: str) -> str:
    """120 rows of which three have a strange plan."""
    lines = [f"{strange if i % 40 == 0 else ('free', 'pro')[i % 2]},{('no', 'yes')[i // 2 % 2]}" for i in range(120)]
    return "plan,churned\n" + "\n".join(lines)


def test_an_unknown_category(pod: Pod) -> None:
    pod.write("cancer/train.csv", plans("gold"))
    assert "plan: UnknownCategory in 3 rows (2.5%), for example 'gold'" in failed(
        pod.run(category()), "UnknownCategory"
    )


def test_a_missing_value(pod: Pod) -> None:
    pod.write("cancer/train.csv", plans(""))
    assert "plan: MissingValues in 3 rows" in failed(pod.run(category()), "MissingValues")


def test_out_of_range(pod: Pod, cancer: str) -> None:
    changed = spec()
    changed["schema"]["features"][0] |= {"min": "0", "max": "20"}
    pod.write("cancer/train.csv", cancer)
    assert "mean_radius: OutOfRange" in failed(pod.run(changed), "OutOfRange")


def test_too_few_rows(pod: Pod, cancer: str) -> None:
    pod.write("cancer/train.csv", "\n".join(cancer.splitlines()[:81]))
    assert "MinRows: 80 rows, 100 are needed" in failed(pod.run(spec()), "MinRows")


def test_a_new_column_is_ignored_unless_asked_about(pod: Pod, cancer: str) -> None:
    rows = [{**row, "hospital": "A"} for row in rows_of(cancer)]
    pod.write("cancer/train.csv", text_of(rows))
    exceptions = [{"anomaly": "NewColumn", "action": "Fail"}]
    assert "hospital" in failed(pod.run(spec(validate={"exceptions": exceptions})), "NewColumn")


def test_a_parquet_file_that_is_none(pod: Pod) -> None:
    pod.write("cancer/train.csv", "not parquet")
    found = spec()
    found["source"]["format"] = "Parquet"
    assert "train.csv is no Parquet file" in failed(pod.run(found), "WrongFormat")


def test_a_csv_file_that_is_no_text(pod: Pod) -> None:
    pod.write("cancer/train.csv", b"mean radius,diagnosis\n\xff\xfe\x00,\x80\x81\n")
    failed(pod.run(spec()), "WrongFormat")


def test_a_hyperparameter_that_the_template_does_not_have(pod: Pod, cancer: str) -> None:
    pod.write("cancer/train.csv", cancer)
    changed = spec()
    changed["train"]["hyperparameters"] = [{"name": "layers", "value": "3"}]
    message = failed(pod.run(changed), "InvalidSpec", 64)
    assert "'layers'" in message
    assert "batchSize" in message


@pytest.mark.parametrize("name", ["class", "self", "_x"])
def test_a_name_that_tensorflow_cannot_save(pod: Pod, name: str) -> None:
    changed = spec()
    changed["schema"]["features"][0]["name"] = name
    result = pod.run(changed)
    assert (result.reason, result.code) == ("InvalidSpec", 64)
    assert repr(name) in result.message["message"]


def test_a_store_of_another_pipeline(pod: Pod, cancer: str) -> None:
    pod.write("cancer/train.csv", "")
    pod.run(spec(), uid="first")
    result = pod.run(spec(), uid="second")
    assert (result.reason, result.code) == ("StoreOwnedByAnother", 64)


def test_a_store_whose_owner_cannot_be_read_is_taken_over_by_hand_only(pod: Pod, cancer: str) -> None:
    pod.write("cancer/train.csv", "")
    pod.run(spec())
    (pod.root / "claims/models/ropewalk/ns/p/owner.json").write_text("{")
    result = pod.run(spec())
    assert (result.reason, result.code) == ("StoreOwnedByAnother", 64)
    assert "owner.json is damaged" in result.message["message"]


def test_a_crash_before_the_first_stage_is_told_with_its_last_lines(pod: Pod) -> None:
    """Kubelet has nothing else to show of it."""
    (pod.root / "run" / "run.json").write_text("[" * 100_000)
    result = pod.result(main.main(["run"]))
    assert (result.code, result.reason) == (1, "Crashed")
    assert result.message["message"].startswith("RecursionError: ")
    assert any("decoder.py" in line for line in result.message["log"])


def test_a_plan_that_is_no_object_is_refused(pod: Pod) -> None:
    """The operator writes it; another one is not tried again."""
    (pod.root / "run" / "run.json").write_text("[]")
    result = pod.result(main.main(["run"]))
    assert (result.code, result.reason) == (64, "InvalidSpec")


def test_long_names_of_classes_do_not_cost_the_message(pod: Pod) -> None:
    """1,800 bytes of escapes once, beyond the limit, so that the operator read nothing of it."""
    names = ["\u826f\u6027\u80bf\u7624" * 60 + str(number) for number in range(10)]
    lines = [json.dumps({"x": i, "y": names[i % 10]}, ensure_ascii=False) for i in range(200)]
    pod.write("plans.jsonl", "\n".join(lines))
    found = lines_spec()
    label = {"name": "y", "type": "Category", "positive": "\u6076" * 60}
    found["schema"] = {"label": label, "features": [{"name": "x", "type": "Number"}]}
    assert "is none of the classes" in failed(pod.run(found), "UnknownCategory")


def test_drift_without_new_data_is_not_cured(pod: Pod, cancer: str) -> None:
    pod.write("cancer/train.csv", cancer)
    champion = pod.promote(pod.run(spec()), 1)
    result = pod.run(spec(), run=2, champion=champion, trigger="Drift")
    assert (result.code, result.reason) == (0, "DriftUncured")
    assert result.publish is not None
    assert result.publish["skip"] == "DriftUncured"
