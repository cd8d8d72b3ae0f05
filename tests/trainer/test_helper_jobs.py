"""Helper jobs on real directories: Recover finds what a status lost, Sweep deletes what is due and nothing else."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ropewalk.core.jobs import container_end
from ropewalk_contract.documents.helper_job_result import HelperJobResult
from ropewalk_model import manifest
from ropewalk_trainer import main

UID = "uid-mine"
LIMIT = 2048
DAY = 86_400
Said = dict[str, Any]


def on(day: int, hour: int = 0) -> str:
    """The operator's clock."""
    return f"2026-03-{day:02}T{hour:02}:00:00Z"


class World:
    """A pod of a helper job and the store `pvc://models/ropewalk/ns/p` that it sees."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.artifacts = "pvc://models/ropewalk"
        (root / "run").mkdir()
        (root / "claims" / "models").mkdir(parents=True)

    @property
    def store(self) -> Path:
        """The Pipeline's root."""
        return self.root / "claims" / self.artifacts.removeprefix("pvc://") / "ns" / "p"

    def owned(self, uid: str = UID) -> World:
        """The root bears this uid."""
        (self.store / "models").mkdir(parents=True, exist_ok=True)
        (self.store / "owner.json").write_text(json.dumps({"formatVersion": 1, "uid": uid}))
        return self

    def version(self, number: int, *, run: int = 0, blessing: str = "Blessed", size: int = 10) -> Path:
        """A complete version as Publish writes it, of run `run` (its own number if not given)."""
        directory = self.store / "models" / str(number)
        (directory / "variables").mkdir(parents=True)
        (directory / "saved_model.pb").write_bytes(b"x" * size)
        (directory / "variables" / "variables.index").write_text(str(number))
        documents = {
            manifest.FEATURES: {},
            manifest.SIGNATURE: {},
            manifest.EVALUATION: {
                "blessing": blessing,
                "metrics": {"Loss": 0.5, "AUC": 0.97, "Recall": 0.9, "Precision": 0.8, "Accuracy": 0.95},
                "checks": [{"metric": "Accuracy"}],
            },
        }
        for path, document in documents.items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_text(json.dumps(document))
        engines = [{"name": "LiteRT", "file": "a"}, {"name": "OpenVINO", "file": "b"}]
        made_from = {"pipelineUid": UID, "runId": run or number, "dataFingerprint": "sha256:" + "f" * 64}
        document = manifest.build_manifest(directory, made_from=made_from, engines=engines)
        manifest.write_manifest(directory, document)
        return directory

    def run(self, number: int) -> Path:
        """A run's directory."""
        directory = self.store / "runs" / str(number)
        (directory / "candidate-a1").mkdir(parents=True)
        (directory / "record.json").write_text("{}")
        return directory

    def helper_job(self, kind: str, **changes: Any) -> tuple[int, Said]:
        """Do a helper job in this process; its exit code and its last word."""
        document = {
            "formatVersion": 1,
            "type": kind,
            "namespace": "ns",
            "pipeline": "p",
            "pipelineUid": UID,
            "artifacts": self.artifacts,
            "adoptStore": False,
            "keep": {"runs": 20, "versions": 10},
            "inUse": {"versions": [], "runs": []},
            "now": on(1),
            "graceSeconds": DAY,
        }
        (self.root / "run" / "errand.json").write_text(json.dumps({**document, **changes}))
        code = main.main(["errand"])
        return code, self.said()

    def said(self) -> Said:
        """The termination message, which the operator can read."""
        text = (self.root / "termination-log").read_text()
        assert len(text.encode()) <= LIMIT
        found: Said = json.loads(text)
        assert HelperJobResult.read(container_end.document(text), found["errand"]) is not None
        return found

    def sweep(
        self,
        now: str,
        *,
        versions: int = 10,
        runs: int = 20,
        used_versions: Sequence[int] = (),
        used_runs: Sequence[int] = (),
    ) -> Said:
        """A sweep that succeeds; `versions` and `runs` are what is kept."""
        used = {"versions": list(used_versions), "runs": list(used_runs)}
        code, said = self.helper_job("Sweep", now=now, keep={"runs": runs, "versions": versions}, inUse=used)
        assert (code, said["outcome"], said["errand"]) == (0, "Succeeded", "Sweep")
        return said

    def numbers(self, folder: str = "models") -> list[int]:
        """What stands there, hidden names included as an error."""
        return sorted(int(name) for name in os.listdir(self.store / folder))

    def tree(self) -> list[str]:
        """Every path in the claim."""
        return sorted(path.as_posix() for path in (self.root / "claims").rglob("*"))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A claim with nothing in it."""
    monkeypatch.setenv("ROPEWALK_ROOT", str(tmp_path))
    monkeypatch.setenv("ROPEWALK_TERMINATION_LOG", str(tmp_path / "termination-log"))
    return World(tmp_path)


# Recover


def test_an_absent_store_knows_nothing(world: World) -> None:
    """A Pipeline that never ran: nothing is found and nothing is made."""
    code, said = world.helper_job("Recover")
    assert (code, said["outcome"], said["store"], said["lastRun"], said["versions"]) == (
        0,
        "Succeeded",
        "Absent",
        0,
        [],
    )
    assert not world.store.exists()


def test_a_store_without_an_owner_still_tells_the_last_run(world: World) -> None:
    """Nobody's versions are not made anybody's champion, but a run id is not given twice."""
    world.version(1, run=4)
    world.run(7)
    code, said = world.helper_job("Recover")
    assert (code, said["store"], said["lastRun"], said["versions"]) == (0, "Absent", 7, [])


def test_recover_tells_what_a_champion_needs(world: World) -> None:
    """Everything that status carries of a champion, the demanded metric first; and nothing is written."""
    world.owned().version(1, run=3)
    directory = world.version(2, run=5, blessing="NotBlessed")
    world.run(6)
    before = world.tree()
    code, said = world.helper_job("Recover")
    newest, oldest = said["versions"]
    digests = manifest.verify(directory)
    assert (code, said["reason"], said["store"], said["lastRun"], said["unreadable"]) == (0, "Recovered", "Mine", 6, 0)
    assert newest == {
        "version": 2,
        "uri": "pvc://models/ropewalk/ns/p/models/2",
        "digest": digests.model_digest,
        "manifestDigest": digests.digest,
        "runId": 5,
        "blessing": "NotBlessed",
        "engines": ["LiteRT", "OpenVINO"],
        "dataFingerprint": "sha256:" + "f" * 64,
        "metrics": [
            {"name": "Accuracy", "value": "0.9500"},
            {"name": "Loss", "value": "0.5000"},
            {"name": "AUC", "value": "0.9700"},
            {"name": "Recall", "value": "0.9000"},
        ],
    }
    assert (oldest["version"], oldest["blessing"], oldest["runId"]) == (1, "Blessed", 3)
    assert world.tree() == before


def test_the_last_run_is_known_from_a_version_whose_run_is_swept(world: World) -> None:
    """Ids never go back, else a run would publish under another's name."""
    world.owned().version(1, run=12)
    world.run(3)
    assert world.helper_job("Recover")[1]["lastRun"] == 12


def test_another_pipelines_store_is_not_read(world: World) -> None:
    """The operator decides; the message says how the user can."""
    world.owned("uid-other").version(1)
    before = world.tree()
    code, said = world.helper_job("Recover")
    assert (code, said["outcome"], said["store"]) == (0, "Succeeded", "Foreign")
    assert "adopt-store" in said["message"]
    assert set(said) == {"v", "outcome", "errand", "reason", "message", "store"}
    assert world.tree() == before


def test_another_pipelines_store_can_be_adopted(world: World) -> None:
    """From then on it is ours, and everything in it is found."""
    world.owned("uid-other").version(1, run=9)
    code, said = world.helper_job("Recover", adoptStore=True)
    assert (code, said["store"], said["adopted"], said["lastRun"]) == (0, "Mine", True, 9)
    assert [one["version"] for one in said["versions"]] == [1]
    assert "adopted" not in world.helper_job("Recover")[1]


def _no_manifest(directory: Path) -> None:
    (directory / manifest.MANIFEST).unlink()


def _broken_manifest(directory: Path) -> None:
    (directory / manifest.MANIFEST).write_text('{"formatVersion": 1, "files": 3}')


def _half_copied(directory: Path) -> None:
    (directory / "saved_model.pb").unlink()


def _other_size(directory: Path) -> None:
    (directory / "saved_model.pb").write_text("other")


def _other_evaluation(directory: Path) -> None:
    path = directory / manifest.EVALUATION
    path.write_text(path.read_text().replace("NotBlessed", "Blessed   "))


def _link_to_manifest(directory: Path) -> None:
    path = directory / manifest.MANIFEST
    path.rename(directory.parent.parent / "elsewhere.json")
    path.symlink_to(directory.parent.parent / "elsewhere.json")


def _link_on_the_way(directory: Path) -> None:
    (directory / "assets.extra").rename(directory.parent.parent / "elsewhere")
    (directory / "assets.extra").symlink_to(directory.parent.parent / "elsewhere")


def _link_itself(directory: Path) -> None:
    directory.rename(directory.parent.parent / "elsewhere")
    directory.symlink_to(directory.parent.parent / "elsewhere")


def _pipe(directory: Path) -> None:
    (directory / manifest.MANIFEST).unlink()
    os.mkfifo(directory / manifest.MANIFEST)


@pytest.mark.parametrize(
    "damage",
    [
        _no_manifest,
        _broken_manifest,
        _half_copied,
        _other_size,
        _other_evaluation,
        _link_to_manifest,
        _link_on_the_way,
        _link_itself,
        _pipe,
    ],
)
def test_a_damaged_version_is_left_out(world: World, damage: Callable[[Path], None]) -> None:
    """It is counted; the others are found."""
    world.owned().version(1)
    damage(world.version(2, blessing="NotBlessed"))
    code, said = world.helper_job("Recover")
    assert (code, said["unreadable"], [one["version"] for one in said["versions"]]) == (0, 1, [1])


def test_names_that_are_no_numbers_are_ignored(world: World) -> None:
    """Leading zeros, other scripts' digits, and what no counter reaches are nobody's."""
    world.owned().version(3)
    for name in ("03", "0", "-4", "٤", "5.bak", ".6", "9" * 16):
        shutil.copytree(world.store / "models" / "3", world.store / "models" / name)
        (world.store / "runs" / name).mkdir(parents=True)
    said = world.helper_job("Recover")[1]
    assert ([one["version"] for one in said["versions"]], said["lastRun"], said["unreadable"]) == ([3], 3, 0)


@pytest.mark.parametrize("folder", ["models", "runs"])
def test_a_linked_folder_is_not_followed(world: World, folder: str) -> None:
    """It is nobody's business where it leads."""
    world.owned().version(1)
    (world.store / "runs").mkdir()
    (world.store / folder).rename(world.root / "elsewhere")
    (world.store / folder).symlink_to(world.root / "elsewhere")
    for kind in ("Recover", "Sweep"):
        code, said = world.helper_job(kind)
        assert (code, said["reason"]) == (64, "StoreUnreadable")


def test_a_broken_owner_is_said(world: World) -> None:
    """Whose the store is cannot be told, so nothing is done."""
    (world.owned().store / "owner.json").write_text("{")
    code, said = world.helper_job("Sweep")
    assert (code, said["reason"]) == (64, "StoreUnreadable")
    assert "owner.json" in said["message"]


@pytest.mark.parametrize("length", [20, 120, 300, 480, 900])
def test_the_message_fits_with_many_versions_and_long_uris(world: World, length: int) -> None:
    """The newest stays, and so does the newest blessed one, which may become champion."""
    world.artifacts = "pvc://models" + f"/{'d' * 99}" * (length // 100) + f"/{'e' * (length % 100 + 1)}"
    world.owned()
    for number in range(1, 14):
        world.version(number, blessing="Blessed" if number <= 2 else "NotEvaluated")
    code, said = world.helper_job("Recover")
    assert (code, said["lastRun"]) == (0, 13)
    found = {one["version"]: one for one in said["versions"]}
    assert list(found) == sorted(found, reverse=True)
    assert len(found) <= 10
    assert 13 in found
    if length <= 300:
        assert 2 in found
        assert found[2]["metrics"]
        assert found[13]["dataFingerprint"]
    for one in found.values():
        assert one["uri"] == f"{world.artifacts}/ns/p/models/{one['version']}"
        verified = manifest.verify(world.store / "models" / str(one["version"]))
        assert (one["digest"], one["manifestDigest"]) == (verified.model_digest, verified.digest)
        assert one["runId"] == one["version"]


# Sweep


def test_two_sweeps_a_day_apart_delete(world: World) -> None:
    """The first one only notes; one an hour later does nothing; one a day later deletes, and tells what it freed."""
    world.owned()
    for number in range(1, 4):
        world.version(number, size=1000)
        world.run(number)
    first = world.sweep(on(1), versions=1, runs=1)
    assert (first["deletedVersions"], first["deletedRuns"], first["waiting"], first["freedBytes"]) == ([], [], 4, 0)
    assert world.sweep(on(1, 23), versions=1, runs=1)["waiting"] == 4
    assert world.numbers() == [1, 2, 3]
    last = world.sweep(on(2), versions=1, runs=1)
    assert (last["deletedVersions"], last["deletedRuns"], last["waiting"]) == ([1, 2], [1, 2], 0)
    assert last["freedBytes"] > 2000
    assert (world.numbers(), world.numbers("runs")) == ([3], [3])
    again = world.sweep(on(3), versions=1, runs=1)
    assert (again["deletedVersions"], again["freedBytes"]) == ([], 0)


def test_one_sweep_never_deletes_even_without_grace(world: World) -> None:
    """What the operator knew may have been old."""
    world.owned()
    for number in (1, 2):
        world.version(number)
    keep = {"runs": 1, "versions": 1}
    assert world.helper_job("Sweep", keep=keep, graceSeconds=0)[1]["waiting"] == 1
    assert world.helper_job("Sweep", keep=keep, graceSeconds=0)[1]["deletedVersions"] == [1]


def test_what_is_referenced_again_is_forgotten(world: World) -> None:
    """Its day begins anew, and so does that of the run that made it."""
    world.owned()
    for number in (1, 2):
        world.version(number)
        world.run(number)
    assert world.sweep(on(1), versions=1, runs=1)["waiting"] == 2
    assert world.sweep(on(2), versions=1, runs=1, used_versions=[1])["waiting"] == 0
    assert world.sweep(on(3), versions=1, runs=1)["waiting"] == 2
    assert (world.numbers(), world.numbers("runs")) == ([1, 2], [1, 2])
    assert world.sweep(on(4), versions=1, runs=1)["deletedVersions"] == [1]


@pytest.mark.parametrize(
    ("versions", "used", "blessed", "stay"),
    [
        (10, [], [1, 2, 3, 4, 5], [1, 2, 3, 4, 5]),
        (5, [], [], [1, 2, 3, 4, 5]),
        (2, [], [5], [4, 5]),
        (2, [], [], [4, 5]),
        (2, [1, 3], [5], [1, 3, 4, 5]),
        (2, [], [1, 2], [2, 4, 5]),
        (1, [], [1], [1, 5]),
        (1, [99], [1, 4], [4, 5]),
    ],
)
def test_versions_that_stay(world: World, versions: int, used: list[int], blessed: list[int], stay: list[int]) -> None:
    """The newest, those in use, and the last blessed one."""
    world.owned()
    for number in range(1, 6):
        world.version(number, blessing="Blessed" if number in blessed else "NotEvaluated")
    for day in (1, 2):
        world.sweep(on(day), versions=versions, used_versions=used)
    assert world.numbers() == stay


@pytest.mark.parametrize(
    ("runs", "used", "stay"),
    [(20, [], [1, 2, 3, 4, 10]), (2, [], [2, 4, 10]), (1, [3], [2, 3, 10]), (1, [2, 99], [2, 10])],
)
def test_runs_that_stay(world: World, runs: int, used: list[int], stay: list[int]) -> None:
    """The newest by number, those in use, and the one that made the version that stays (2)."""
    world.owned().version(1, run=2)
    for number in (1, 2, 3, 4, 10):
        world.run(number)
    for day in (1, 2):
        world.sweep(on(day), runs=runs, used_runs=used)
    assert world.numbers("runs") == stay


def test_a_damaged_version_takes_no_good_ones_place(world: World) -> None:
    """Two of three newest are broken: two good ones are kept all the same, and what is broken and older goes."""
    world.owned()
    for number in range(1, 7):
        directory = world.version(number, blessing="NotEvaluated")
        if number in (1, 4, 6):
            _no_manifest(directory)
    for day in (1, 2):
        world.sweep(on(day), versions=2)
    assert world.numbers() == [3, 4, 5, 6]


def test_a_clock_that_goes_back_deletes_nothing(world: World) -> None:
    """Neither now, nor too early once it is right again: what was first seen then counts from the last right time."""
    world.owned()
    for number in (1, 2):
        world.version(number)
    world.sweep(on(10), versions=1)
    world.version(3)
    early = world.sweep("1970-01-01T00:00:00Z", versions=1)
    assert (early["deletedVersions"], early["waiting"]) == ([], 2)
    assert "2026-03-10T00:00:00Z" in early["message"]
    assert "sweep.json" in early["message"]
    assert world.sweep(on(10, 12), versions=1)["deletedVersions"] == []
    assert world.sweep(on(11), versions=1)["deletedVersions"] == [1, 2]


def test_times_of_any_zone_are_compared(world: World) -> None:
    """02:00+02:00 is midnight."""
    world.owned()
    for number in (1, 2):
        world.version(number)
    world.sweep(on(1), versions=1)
    assert world.sweep("2026-03-02T01:59:59+02:00", versions=1)["deletedVersions"] == []
    assert world.sweep("2026-03-02T02:00:00+02:00", versions=1)["deletedVersions"] == [1]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"formatVersion": 2}', '{"formatVersion": 1, "uid": "uid-mine"}'])
def test_an_unreadable_memory_begins_the_wait_anew(world: World, text: str) -> None:
    """Never the other way round."""
    world.owned()
    for number in (1, 2):
        world.version(number)
    (world.store / "sweep.json").write_text(text)
    assert world.sweep(on(5), versions=1)["waiting"] == 1
    assert world.sweep(on(6), versions=1)["deletedVersions"] == [1]


def test_an_adopted_store_forgets_what_its_former_owner_noted(world: World) -> None:
    """It did not know what the new one refers to."""
    world.owned("uid-other")
    for number in (1, 2):
        world.version(number)
    world.helper_job("Sweep", pipelineUid="uid-other", keep={"runs": 1, "versions": 1})
    world.helper_job("Recover", adoptStore=True)
    assert world.sweep(on(5), versions=1)["deletedVersions"] == []
    assert world.sweep(on(6), versions=1)["deletedVersions"] == [1]


def test_another_pipelines_store_is_never_swept(world: World) -> None:
    """Not even if it may be adopted: that is Recover's."""
    world.owned("uid-other")
    for number in (1, 2):
        world.version(number)
    (world.store / "models" / ".deleted-7").mkdir()
    before = world.tree()
    code, said = world.helper_job("Sweep", adoptStore=True, keep={"runs": 1, "versions": 1})
    assert (code, said["outcome"], said["reason"]) == (64, "Failed", "StoreOwnedByAnother")
    assert "uid-other" in said["message"]
    assert world.tree() == before


def test_nobodys_store_is_not_swept(world: World) -> None:
    """There is nothing of ours in it."""
    world.version(1)
    (world.store / "models" / ".deleted-7").mkdir()
    before = world.tree()
    said = world.sweep(on(1), versions=1)
    assert (said["reason"], said["waiting"]) == ("StoreAbsent", 0)
    assert world.tree() == before


@pytest.mark.parametrize("folder", ["models", "runs"])
def test_what_a_crash_left_is_collected(world: World, folder: str) -> None:
    """A directory that was renamed and not, or half, deleted; it is not counted as deleted once more."""
    world.owned().version(4)
    hidden = world.store / folder / ".deleted-3"
    (hidden / "deep").mkdir(parents=True)
    (hidden / "deep" / "weights").write_bytes(b"x" * 500)
    said = world.sweep(on(1))
    assert (said["freedBytes"], said["deletedVersions"], said["waiting"]) == (500, [], 0)
    assert not hidden.exists()


class Crash(BaseException):
    """The pod is gone."""


@pytest.mark.parametrize("step", ["os.rename", "shutil.rmtree", "json.dumps", "os.replace"])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_crash_between_any_two_steps_leaves_nothing_half_visible(
    world: World, monkeypatch: pytest.MonkeyPatch, step: str, call: int
) -> None:
    """Under its number a version is whole or absent, and the next sweep ends what this one began."""
    world.owned()
    for number in range(1, 5):
        world.version(number, blessing="NotEvaluated")
    world.sweep(on(1), versions=1)
    module, name = step.split(".")
    original = getattr(sys.modules[module], name)
    calls = 0

    def crashing(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            if step == "shutil.rmtree":
                os.unlink(Path(arguments[0]) / "saved_model.pb")
            raise Crash
        return original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setenv("ROPEWALK_TERMINATION_LOG", os.devnull)
        document = json.loads((world.root / "run" / "errand.json").read_text())
        (world.root / "run" / "errand.json").write_text(json.dumps({**document, "now": on(2)}))
        patch.setattr(step, crashing)
        try:
            main.main(["errand"])
        except Crash:
            pass
    for name in os.listdir(world.store / "models"):
        if not name.startswith("."):
            manifest.verify(world.store / "models" / name)
    world.sweep(on(3), versions=1)
    world.sweep(on(4), versions=1)
    assert world.numbers() == [4]


def test_a_link_is_removed_and_not_followed(world: World) -> None:
    """Where it leads everything stays: a version that is a link, and a link within a run."""
    world.owned()
    for number in (2, 3):
        world.version(number)
    for number in (1, 2, 3):
        world.run(number)
    outside = world.root / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x" * 100)
    (world.store / "models" / "1").symlink_to(outside)
    (world.store / "models" / ".deleted-9").symlink_to(outside)
    (world.store / "runs" / "1" / "link").symlink_to(outside)
    (world.store / ".sweep.json.tmp").symlink_to(outside / "precious")
    for day in (1, 2):
        world.sweep(on(day), versions=1, runs=1)
    assert (world.numbers(), world.numbers("runs")) == ([3], [3])
    assert (outside / "precious").read_text() == "x" * 100


@pytest.mark.parametrize(
    ("number", "code", "reason", "word"),
    [
        (errno.EROFS, 64, "StoreNotWritable", "writable"),
        (errno.EACCES, 64, "StoreNotWritable", "65532"),
        (errno.ENOSPC, 75, "StoreUnavailable", "enlarge"),
        (errno.EIO, 75, "StoreUnavailable", "volume"),
        (errno.ESTALE, 75, "StoreUnavailable", "volume"),
    ],
)
def test_trouble_with_the_store_has_a_name_and_a_remedy(
    world: World, monkeypatch: pytest.MonkeyPatch, number: int, code: int, reason: str, word: str
) -> None:
    """One thing that does not go keeps no other from going; what went and what waits is told all the same."""
    world.owned()
    for version in (1, 2, 3):
        world.version(version)
    world.sweep(on(1), versions=1)
    rename = os.rename

    def failing(source: Path, target: Path) -> None:
        if source.name == "1":
            raise OSError(number, os.strerror(number), str(source), None, str(target))
        rename(source, target)

    monkeypatch.setattr("os.rename", failing)
    found, said = world.helper_job("Sweep", now=on(2), keep={"runs": 1, "versions": 1})
    assert (found, said["outcome"], said["reason"]) == (code, "Failed", reason)
    assert word in said["message"]
    assert "models/1" in said["message"]
    assert (said["deletedVersions"], said["waiting"], world.numbers()) == ([2], 1, [1, 3])


def test_a_directory_that_is_not_ours_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is hidden, the rest goes, and the next sweep tries again."""
    world.owned()
    for number in (1, 2, 3):
        world.version(number)
    world.sweep(on(1), versions=1)
    rmtree = shutil.rmtree

    def refused(path: Path) -> None:
        if path.name == ".deleted-1":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "variables")
        rmtree(path)

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", refused)
        code, said = world.helper_job("Sweep", now=on(2), keep={"runs": 1, "versions": 1})
    assert (code, said["reason"], said["deletedVersions"], said["waiting"]) == (64, "StoreNotWritable", [1, 2], 1)
    assert "models/.deleted-1" in said["message"]
    assert world.sweep(on(3), versions=1)["waiting"] == 0
    assert world.numbers() == [3]


def test_a_full_disk_is_swept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Space for sweep.json is made by deleting."""
    world.owned()
    for number in (1, 2):
        world.version(number)
    world.sweep(on(1), versions=1)
    replace = os.replace

    def full(source: Path, target: Path) -> None:
        if (world.store / "models" / "1").exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        replace(source, target)

    monkeypatch.setattr("os.replace", full)
    assert world.sweep(on(2), versions=1)["deletedVersions"] == [1]


def test_a_file_that_is_still_open_on_nfs_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the directory is hidden; the operator is told to sweep once more."""
    world.owned()
    for number in (1, 2):
        world.version(number)
    world.sweep(on(1), versions=1)

    def busy(path: Path) -> None:
        raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), str(path))

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", busy)
        said = world.sweep(on(2), versions=1)
    assert (said["deletedVersions"], said["waiting"]) == ([1], 1)
    assert world.sweep(on(3), versions=1)["waiting"] == 0
    assert world.numbers() == [2]


def test_the_lists_are_bounded(world: World) -> None:
    """Of a thousand runs the newest twenty are named and all are counted."""
    world.owned()
    for number in range(1, 64):
        (world.store / "runs" / str(number)).mkdir(parents=True)
    assert world.sweep(on(1), runs=1)["waiting"] == 62
    said = world.sweep(on(2), runs=1)
    assert said["deletedRuns"] == list(range(43, 63))
    assert "62 runs" in said["message"]


# Both


@pytest.mark.parametrize(
    ("kind", "change", "word"),
    [
        ("Tidy", {}, "Recover, Sweep"),
        ("Recover", {"formatVersion": 2}, "formatVersion"),
        ("Recover", {"pipeline": ".."}, "pipeline"),
        ("Recover", {"namespace": "a/b"}, "namespace"),
        ("Recover", {"pipelineUid": ""}, "pipelineUid"),
        ("Recover", {"artifacts": "s3://bucket/x"}, "pvc://"),
        ("Recover", {"artifacts": "pvc://absent/x"}, "not mounted"),
        ("Sweep", {"keep": {"runs": 1}}, "keep.versions"),
        ("Sweep", {"keep": {"runs": 0, "versions": 1}}, "keep.runs"),
        ("Sweep", {"inUse": {"runs": []}}, "inUse.versions"),
        ("Sweep", {"inUse": {"runs": [], "versions": ["3"]}}, "inUse.versions"),
        ("Sweep", {"now": "yesterday"}, "now"),
        ("Sweep", {"now": "2026-03-01T00:00:00"}, "zone"),
        ("Sweep", {"graceSeconds": None}, "graceSeconds"),
    ],
)
def test_an_errand_that_is_not_understood_does_nothing(world: World, kind: str, change: Said, word: str) -> None:
    """A guess could delete what is in use."""
    world.owned().version(1)
    before = world.tree()
    code, said = world.helper_job(kind, **change)
    assert (code, said["outcome"], said["reason"]) == (64, "Failed", "InvalidSpec")
    assert word in said["message"]
    assert world.tree() == before


def test_no_errand_is_an_error_with_a_name(world: World) -> None:
    """The ConfigMap is not mounted."""
    assert main.main(["errand"]) == 64
    assert world.said()["reason"] == "InvalidSpec"


def test_what_user_code_made_read_only_goes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the user of the image where the test may choose: root is stopped by no mode."""
    with tempfile.TemporaryDirectory() as directory:
        world = World(Path(directory)).owned()
        monkeypatch.setenv("ROPEWALK_ROOT", directory)
        monkeypatch.setenv("ROPEWALK_TERMINATION_LOG", f"{directory}/termination-log")
        for number in (1, 2):
            world.run(number)
        assert world.sweep(on(1), runs=1)["waiting"] == 1
        locked = world.store / "runs" / "1" / "candidate-a1"
        (locked / "file").write_text("x")
        locked.chmod(0o555)
        user = os.geteuid()
        if user == 0:
            for path in (world.root, *world.root.rglob("*")):
                os.chown(path, 65532, 65532)
            os.seteuid(65532)
        try:
            said = world.sweep(on(2), runs=1)
        finally:
            os.seteuid(user)
        assert said["deletedRuns"] == [1]
        assert world.numbers("runs") == [2]


def test_the_console_script_starts_without_heavy_libraries(world: World) -> None:
    """What it imports is what it costs: a fraction of a second instead of five."""
    heavy = ("tensorflow", "pandas", "numpy", "pyarrow", "openvino", "ai_edge_litert")
    code = (
        "import os, sys; from ropewalk_trainer.main import entry; end = os._exit\n"
        f"os._exit = lambda code: end(99 if set({heavy!r}) & set(sys.modules) else code)\n"
        "sys.argv = ['ropewalk-train', 'errand']; entry()"
    )
    world.owned().version(1)
    for kind in ("Recover", "Sweep"):
        world.helper_job(kind)
        (world.root / "termination-log").unlink()
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        assert ended.returncode == 0, ended.stderr
        assert (world.said()["errand"], world.said()["outcome"]) == (kind, "Succeeded")
