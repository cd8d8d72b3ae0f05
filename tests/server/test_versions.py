"""What a pod holds and answers with: switching under load, tampering, crashes, pilots, old revisions, its end."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from ropewalk_server.app import smoke_test
from ropewalk_server.serving.crashmarks import CrashMarks
from ropewalk_server.serving.routes import Route
from ropewalk_server.serving.versions import mark_of
from tests.server.conftest import Server, row
from tests.server.observed import live, state

Published = tuple[Path, list[dict[str, Any]]]


def test_not_ready_before_a_version_has_answered(server: Server) -> None:
    """Alive, not ready, and it says why."""
    server.start()
    status, answer, _ = server.get("/readyz", monitoring=True)
    assert status == 503
    assert "routes" in answer["text"]
    assert server.predict(row())[0] == 503


def test_a_switch_under_load_fails_no_request(server: Server, published: Published) -> None:
    """Requests before, during and after are all answered."""
    server.tell(1, published[1][:1])
    server.start()
    server.until(lambda: live(server, 1))
    statuses: list[int] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            statuses.append(server.predict(row())[0])

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    server.tell(1, published[1])
    server.until(lambda: state(server, 2)[0] == "Proved")
    assert live(server, 1)
    server.tell(2, published[1])
    server.until(lambda: live(server, 2))
    server.tell(2, published[1][1:])
    server.until(lambda: state(server, 1) == ("", ""))
    done.set()
    for thread in threads:
        thread.join()
    assert len(statuses) > 20
    assert set(statuses) == {200}


def test_a_tampered_version_never_serves_and_takes_nothing_down(server: Server, published: Published) -> None:
    """One byte of the newcomer is another; the file is named."""
    server.tell(1, published[1][:1])
    server.start()
    server.until(lambda: live(server, 1))
    directory = server.root / "claims" / published[1][1]["uri"].removeprefix("pvc://")
    path = directory / "saved_model.pb"
    path.write_bytes(path.read_bytes() + b"x")
    server.tell(2, published[1])
    server.until(lambda: state(server, 2) == ("Failed", "TamperedModel"))
    assert "saved_model.pb" in server.status()["versions"][1]["message"]
    assert live(server, 1)
    assert server.get("/readyz", monitoring=True)[0] == 200
    assert server.predict(row())[0] == 200


def died_loading(server: Server, version: dict[str, Any]) -> None:
    """A process of this pod has died while it loaded the version."""
    path = f"/ropewalk/claims/{version['uri'].removeprefix('pvc://')}"
    route = Route(version["version"], path, version["manifestDigest"], version["digest"])
    CrashMarks(server.root / "state").mark(mark_of(route, 0))


def test_a_version_that_killed_the_process_is_skipped_until_it_is_to_be_tried_again(
    server: Server, published: Published
) -> None:
    """The mark of the load that never ended outlives the container; the live version comes back."""
    died_loading(server, published[1][1])
    server.tell(1, published[1])
    server.start()
    server.until(lambda: live(server, 1))
    assert state(server, 2) == ("Skipped", "CrashedWhileLoading")
    server.tell(1, published[1], retry=1)
    server.until(lambda: state(server, 2)[0] == "Proved")


def test_one_that_was_skipped_as_a_newcomer_is_tried_once_more_when_it_is_to_answer(
    server: Server, published: Published
) -> None:
    """Nothing else would; and an orderly restart before that forgets no death."""
    died_loading(server, published[1][1])
    server.tell(1, published[1])
    for _ in range(2):
        server.start()
        server.until(lambda: live(server, 1))
        assert state(server, 2) == ("Skipped", "CrashedWhileLoading")
        assert server.stop() == 0
    server.start()
    server.tell(2, published[1])
    server.until(lambda: live(server, 2))


@pytest.mark.parametrize(("deaths", "expected"), [(1, "Proved"), (2, "Skipped")])
def test_one_death_does_not_bar_the_live_version(
    server: Server, published: Published, deaths: int, expected: str
) -> None:
    """A node that lost its power looks the same, but not twice in a row."""
    for _ in range(deaths):
        died_loading(server, published[1][0])
    server.tell(1, published[1][:1])
    server.start()
    server.until(lambda: state(server, 1)[0] == expected)


def test_versions_of_unknown_digest_do_not_share_a_mark(server: Server, published: Published) -> None:
    """One that kills bars no other."""
    unknown = [one | {"digest": "", "manifestDigest": None} for one in published[1]]
    died_loading(server, unknown[0])
    server.tell(2, unknown)
    server.start()
    server.until(lambda: live(server, 2))
    assert state(server, 1) == ("Skipped", "CrashedWhileLoading")


def test_what_failed_is_tried_again_on_demand_only(server: Server, published: Published) -> None:
    """The file is whole again, and the routes say so."""
    directory = server.root / "claims" / published[1][1]["uri"].removeprefix("pvc://")
    path = directory / "saved_model.pb"
    whole = path.read_bytes()
    path.write_bytes(whole + b"x")
    server.tell(1, published[1])
    server.start()
    server.until(lambda: state(server, 2) == ("Failed", "TamperedModel"))
    path.write_bytes(whole)
    server.tell(1, published[1])
    server.until(lambda: server.status()["revision"] == 2)
    assert state(server, 2) == ("Failed", "TamperedModel")
    server.tell(1, published[1], retry=1)
    server.until(lambda: state(server, 2)[0] == "Proved")


def test_another_model_under_the_live_number_takes_over_without_a_gap(server: Server, published: Published) -> None:
    """It is loaded beside the one that answers; a broken one changes nothing."""
    one, two = published[1]
    server.tell(1, [one])
    server.start()
    server.until(lambda: live(server, 1))
    server.tell(1, [two | {"version": 1, "digest": f"sha256:{'0' * 64}"}])
    server.until(lambda: "Failed" in {held["state"] for held in server.status()["versions"]})
    assert server.predict(row())[0] == 200
    server.tell(1, [two | {"version": 1}])
    statuses = []

    def exchanged() -> bool:
        statuses.append(server.predict(row())[0])
        return [held["digest"] for held in server.status()["versions"]] == [two["digest"]]

    server.until(exchanged)
    assert set(statuses) == {200}
    assert live(server, 1)
    server.tell(2, [one, two])
    server.until(lambda: live(server, 2) and state(server, 1)[0] == "Proved")
    assert {held["digest"] for held in server.status()["versions"]} == {one["digest"], two["digest"]}


def test_only_the_pilot_loads_a_newcomer(server: Server, published: Published) -> None:
    """Another pod keeps to the live version until the pilot's turn is over."""
    server.tell(1, published[1], pilot="pod-b")
    server.start()
    server.until(lambda: live(server, 1))
    assert state(server, 2) == ("", "")
    server.tell(1, published[1], pilot="pod-a")
    server.until(lambda: state(server, 2)[0] == "Proved")


def test_a_lower_revision_is_ignored(server: Server, published: Published) -> None:
    """An operator that slept cannot turn the routes back."""
    server.tell(1, published[1])
    server.start()
    server.until(lambda: live(server, 1) and state(server, 2)[0] == "Proved")
    server.tell(2, published[1], revision=1)
    server.tell(1, published[1])
    server.until(lambda: server.status()["revision"] == 3)
    assert live(server, 1)


def test_an_orderly_end_is_quick_and_leaves_no_mark(server: Server, published: Published) -> None:
    """SIGTERM gives exit code 0 and a clean state directory."""
    server.tell(1, published[1][:1])
    server.start()
    server.until(lambda: live(server, 1))
    assert server.stop() == 0
    assert list((server.root / "state").iterdir()) == []


def test_the_smoke_test_claims_one_number_for_a_run(published: Published) -> None:
    """Two runs, two numbers; both proved on all engines."""
    assert [one["version"] for one in published[1]] == [1, 2]
    for one in published[1]:
        assert sorted(one["engines"]) == ["LiteRT", "ONNXRuntime", "OpenVINO", "TensorFlow"]
        assert one["uri"].endswith(f"/models/{one['version']}")


def test_a_run_without_a_version_is_skipped_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not good enough is no failure of the smoke test."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "publish.json").write_text('{"skip": "NotBlessed", "message": "accuracy 0.8 is below 0.9"}')
    monkeypatch.setenv("ROPEWALK_ROOT", str(tmp_path))
    monkeypatch.setenv("ROPEWALK_TERMINATION_LOG", str(tmp_path / "said"))
    assert smoke_test.main() == 0
    said = json.loads((tmp_path / "said").read_text())
    assert (said["outcome"], said["reason"]) == ("Skipped", "NotBlessed")
    (tmp_path / "work" / "publish.json").write_text(
        '{"candidate": "/nowhere", "models": "/nowhere", "uri": "pvc://m/x"}'
    )
    assert smoke_test.main() == 1
    assert json.loads((tmp_path / "said").read_text())["outcome"] == "Failed"
