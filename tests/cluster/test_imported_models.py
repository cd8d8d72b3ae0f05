"""SavedModels of others on a claim: imported by a Job, served by pods; or refused with a reason."""

from __future__ import annotations

import base64
import io
import shlex
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests import foreign_models
from tests.cluster.resources import STORE_POD, example
from tests.cluster.traffic import send
from tests.polling import eventually
from tests.support import Namespace, condition, kubectl

UNPACK = """
import base64, io, sys, tarfile
tarfile.open(fileobj=io.BytesIO(base64.b64decode(sys.stdin.read()))).extractall(sys.argv[1])
"""


@pytest.fixture(scope="module")
def store(namespace: Namespace) -> Namespace:
    """The namespace with a pod that sees the claim of the models at /data."""
    namespace.apply(STORE_POD)
    kubectl("-n", namespace.name, "wait", "--for=condition=Ready", "pod/store", "--timeout=60s")
    return namespace


def put(store: Namespace, place: Path, path: str) -> None:
    """Copy a directory into the claim, as a user would with kubectl cp."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(place, arcname=".")
    command = f"mkdir -p /data/{path} && python3 -c {shlex.quote(UNPACK)} /data/{path}"
    store.pod_exec("store", command, stdin=base64.b64encode(packed.getvalue()).decode())


def deployed(store: Namespace, place: Path, make: Callable[[Path], None], name: str) -> dict[str, Any]:
    """A ModelDeployment of the model that `make` makes, applied."""
    make(place)
    put(store, place, f"imported/{name}/3")
    body = example("modeldeployment.yaml")
    body["metadata"]["name"] = name
    body["spec"] = {"model": {"uri": f"pvc://models/imported/{name}/3", "digest": foreign_models.digest(place)}}
    store.apply(body)
    return body


def served(store: Namespace, name: str) -> dict[str, Any]:
    """Its status once it is served."""
    found = eventually(
        lambda: store.get("modeldeployment", name),
        until=lambda m: condition(m, "Ready").get("status") == "True" and not m["status"].get("candidate"),
        seconds=180,
    )
    return dict(found["status"])


def test_a_keras_export_is_imported_and_predicts(store: Namespace, tmp_path: Path) -> None:
    """By the fast engine, as Keras does; the user's directory stays as it was."""
    place = tmp_path / "3"
    deployed(store, place, foreign_models.keras, "keras")
    status = served(store, "keras")
    assert (status["live"]["version"], status["live"]["engine"]) == (3, "LiteRT")
    assert status["imported"]["state"] == "Succeeded"
    assert status["imported"]["digest"] == foreign_models.digest(place)
    assert status["live"]["uri"].startswith("pvc://models/.ropewalk/imported/")
    assert status["live"]["manifestDigest"] == status["imported"]["version"]["manifestDigest"]
    rows = np.random.default_rng(1).normal(size=(4, 10)).astype(np.float32)
    wanted = tf.saved_model.load(str(place)).signatures["serving_default"](tf.constant(rows))["output_0"].numpy()
    answer = send(store, "keras", [{"instances": rows.tolist()}])[0]
    assert answer.status == 200, answer
    assert np.allclose(answer.body["predictions"], wanted, atol=1e-4)
    there = store.pod_exec("store", "cd /data/imported/keras/3 && find . -type f -printf '%P\n'").split()
    assert sorted(there) == sorted(str(p.relative_to(place)) for p in place.rglob("*") if p.is_file())
    eventually(  # the Job controller may see the pod's end after the operator and the servers did
        lambda: [job["status"].get("succeeded") for job in store.list("jobs", "ropewalk.dev/modeldeployment=keras")],
        until=lambda found: found == [1],
        seconds=30,
    )
    # A second deployment of the same model finds the version made.
    body = example("modeldeployment.yaml")
    body["metadata"]["name"] = "again"
    body["spec"] = {"model": store.get("modeldeployment", "keras")["spec"]["model"]}
    store.apply(body)
    assert served(store, "again")["live"]["manifestDigest"] == status["live"]["manifestDigest"]


def test_a_model_of_strings_is_served_by_tensorflow(store: Namespace, tmp_path: Path) -> None:
    """In the other flavour of the server's image; pods that have it replace those that wait."""
    deployed(store, tmp_path / "3", foreign_models.words, "words")
    status = served(store, "words")
    assert status["live"]["engine"] == "TensorFlow"
    answer = send(store, "words", [{"instances": ["red", "blue"]}])[0]
    assert (answer.status, [one["french"] for one in answer.body["predictions"]]) == (200, ["rouge", "?"])


def test_a_model_that_reads_files_is_refused(store: Namespace, tmp_path: Path) -> None:
    """With the operation's name, and not tried again."""
    deployed(store, tmp_path / "3", foreign_models.reader, "reader")
    found = eventually(
        lambda: store.get("modeldeployment", "reader"),
        until=lambda m: condition(m, "Stalled").get("status") == "True",
        seconds=120,
    )
    for kind in ("Ready", "Stalled", "Reconciling"):
        assert condition(found, kind)["reason"] == "ForbiddenOp"
    assert "ReadFile" in found["status"]["summary"]["message"]
    assert found["status"]["lastFailure"]["location"] == "Import"


def test_a_wrong_digest_is_answered_with_the_right_one(store: Namespace, tmp_path: Path) -> None:
    """Which serves, once it stands in the spec."""
    body = deployed(store, tmp_path / "3", foreign_models.several, "mistaken")
    right = body["spec"]["model"]["digest"]
    wrong = {"spec": {"model": {**body["spec"]["model"], "digest": "sha256:" + "0" * 64}}}
    store.apply({**body, **wrong, "metadata": {"name": "other"}})
    found = eventually(
        lambda: store.get("modeldeployment", "other"),
        until=lambda m: condition(m, "Stalled").get("reason") == "DigestMismatch",
        seconds=120,
    )
    assert right in condition(found, "Stalled")["message"]
    store.apply({**body, "metadata": {"name": "other"}})
    served(store, "other")
    asked = {"signature_name": "total", "inputs": [[1, 2], [3, 4]]}
    assert send(store, "other", [asked])[0].body == {"outputs": {"all": 10.0, "total": [3.0, 7.0]}}
