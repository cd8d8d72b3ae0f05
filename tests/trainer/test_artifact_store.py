"""The contract of an artifact store, over a claim and memory; and what a claim owes to user code that plants links."""

from __future__ import annotations

import ast
import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ropewalk_model import manifest, store
from ropewalk_model.store import HIDDEN, ArtifactStore, Damaged, staging
from ropewalk_model.store.claim import ClaimStore
from ropewalk_model.store.memory import MemoryStore

ROOT = Path(__file__).parents[2]
WRITERS = 16


class Crash(BaseException):
    """The process ends here."""


class Claim:
    """A claim, and a crash at one of the calls that change it."""

    CALLS = ("open", "link", "replace", "fsync", "rename")

    def __init__(self, place: Path, patch: pytest.MonkeyPatch) -> None:
        self.store: ArtifactStore = ClaimStore(place / "claim")
        self._patch = patch

    def crashing(self, work: Callable[[], object], step: int) -> bool:
        """Whether the work came to its end before this step."""
        count = 0

        def dying(call: Callable[..., Any]) -> Callable[..., Any]:
            def run(*arguments: Any, **named: Any) -> Any:
                nonlocal count
                count += 1
                if count == step:
                    raise Crash
                return call(*arguments, **named)

            return run

        with self._patch.context() as patch:
            for name in self.CALLS:
                patch.setattr(f"os.{name}", dying(getattr(os, name)))
            try:
                work()
            except Crash:
                return False
        return True


class Memory:
    """Memory, and a crash before one of its writes."""

    def __init__(self, place: Path) -> None:
        self._step = self._count = 0
        self.store: ArtifactStore = MemoryStore(place, self._before)

    def crashing(self, work: Callable[[], object], step: int) -> bool:
        """Whether the work came to its end before this step."""
        self._step, self._count = step, 0
        try:
            work()
        except Crash:
            return False
        finally:
            self._step = 0
        return True

    def _before(self, path: str) -> None:
        self._count += 1
        if self._count == self._step:
            raise Crash


Kind = Claim | Memory


@pytest.fixture(params=["claim", "memory"])
def kind(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kind:
    """Each implementation."""
    return Claim(tmp_path, monkeypatch) if request.param == "claim" else Memory(tmp_path)


@pytest.fixture
def files(kind: Kind) -> ArtifactStore:
    """Its store, empty."""
    return kind.store


def staged(files: ArtifactStore, path: str, run: int = 1) -> Path:
    """A version's directory, whole, as publish builds it."""
    place = files.stage(path)
    staging.write(place / "saved_model.pb", b"network" * run)
    staging.write(place / "variables" / "variables.index", b"weights")
    document = manifest.build_manifest(place, made_from={"runId": run}, engines=[])
    manifest.write_manifest(place, document)
    return place


def test_a_file_is_read_as_it_was_written_and_replaced_whole(files: ArtifactStore) -> None:
    with pytest.raises(FileNotFoundError):
        files.open("runs/1/record.json")
    store.put(files, "runs/1/record.json", b"one")
    store.put(files, "runs/1/record.json", b"another")
    assert store.read(files, "runs/1/record.json") == b"another"
    assert store.exists(files, "runs/1/record.json")
    assert files.list("runs/1") == ["record.json"]
    assert files.modified("runs/1/record.json") > 0


def test_a_write_that_fails_leaves_the_earlier_file(files: ArtifactStore) -> None:
    """And nothing else."""
    store.put(files, "runs/1/record.json", b"one")

    def fail() -> None:
        with files.create("runs/1/record.json") as file:
            file.write(b"half of ano")
            raise ValueError("full")

    with pytest.raises(ValueError, match="full"):
        fail()
    assert store.read(files, "runs/1/record.json") == b"one"
    assert files.list("runs/1") == ["record.json"]


def test_of_many_writers_one_is_the_first(files: ArtifactStore) -> None:
    """Its bytes stay, whole."""
    start = threading.Barrier(WRITERS)
    won: list[int] = []

    def write(index: int) -> None:
        start.wait()
        if files.put_if_absent("owner.json", f"{index}".encode() * 1000):
            won.append(index)

    threads = [threading.Thread(target=write, args=(index,)) for index in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert store.read(files, "owner.json") == f"{won[0]}".encode() * 1000
    assert files.list("") == ["owner.json"]


def test_a_crash_of_the_first_writer_leaves_the_place_free_or_his(kind: Kind) -> None:
    """At every step."""
    for step in range(1, 30):
        path = f"owners/{step}"
        ended = kind.crashing(lambda path=path: kind.store.put_if_absent(path, b"mine" * 100), step)  # type: ignore[misc]
        first = kind.store.put_if_absent(path, b"another")
        assert store.read(kind.store, path) == (b"another" if first else b"mine" * 100)
        if ended:
            assert step > 1
            return
    raise AssertionError("it never got to its end")


def test_a_version_is_published_once(files: ArtifactStore) -> None:
    """The second publisher of the same number is told, and what stands there is the first one's."""
    assert files.publish(staged(files, "runs/1/candidate-a1", 1), "models/1", marker=manifest.MANIFEST)
    assert not files.publish(staged(files, "runs/2/candidate-a1", 2), "models/1", marker=manifest.MANIFEST)
    assert files.publish(staged(files, "runs/2/candidate-a1", 2), "models/2", marker=manifest.MANIFEST)
    assert files.list("models") == ["1", "2"]
    for number in (1, 2):
        verified = files.verify(f"models/{number}")
        assert verified.document["madeFrom"] == {"runId": number}
        assert files.verify(f"models/{number}", verified.digest).read("variables/variables.index") == b"weights"
    assert files.sizes("models/1")["saved_model.pb"] == len(b"network")
    with pytest.raises(manifest.TamperedModel):
        files.verify("models/1", files.verify("models/2").digest)


def test_a_crash_at_any_step_of_publishing_leaves_a_whole_version_or_none(kind: Kind) -> None:
    """Above all the one between the files and the marker; the next attempt, of the same path or the next, succeeds."""
    files = kind.store
    for step in range(1, 60):
        path = f"models/{step}"
        place = staged(files, f"runs/{step}/candidate-a1", step)
        ended = kind.crashing(lambda: files.publish(place, path, marker=manifest.MANIFEST), step)  # noqa: B023
        if store.exists(files, f"{path}/{manifest.MANIFEST}"):
            assert files.verify(path).document["madeFrom"] == {"runId": step}
        else:
            again = staged(files, f"runs/{step}/candidate-a2", step)
            assert files.publish(again, path, marker=manifest.MANIFEST)
            assert files.verify(path).document["madeFrom"] == {"runId": step}
        if ended:
            assert step > 3
            return
    raise AssertionError("it never got to its end")


def test_what_is_not_staged_whole_is_not_published(files: ArtifactStore) -> None:
    place = files.stage("runs/1/candidate-a1")
    staging.write(place / "saved_model.pb", b"network")
    with pytest.raises(FileNotFoundError):
        files.publish(place, "models/1", marker=manifest.MANIFEST)
    assert files.list("models") == []


def test_a_link_among_the_staged_files_is_not_published(files: ArtifactStore, tmp_path: Path) -> None:
    """User code wrote into the directory."""
    (tmp_path / "secret").write_text("secret")
    place = staged(files, "runs/1/candidate-a1")
    (place / "assets").mkdir()
    (place / "assets" / "words").symlink_to(tmp_path / "secret")
    with pytest.raises(Damaged, match="assets/words"):
        files.publish(place, "models/1", marker=manifest.MANIFEST)
    assert files.list("models") == []


def test_staging_begins_anew(files: ArtifactStore) -> None:
    """What an attempt that was killed left there is not published."""
    staging.write(files.stage("runs/1/candidate-a1") / "left", b"x")
    assert files.publish(staged(files, "runs/1/candidate-a1"), "models/1", marker=manifest.MANIFEST)
    assert "left" not in files.sizes("models/1")


def test_what_is_deleted_vanishes_first_and_goes_then(files: ArtifactStore) -> None:
    """A crash in between is found by the next sweep under a hidden name."""
    files.publish(staged(files, "runs/1/candidate-a1"), "models/1", marker=manifest.MANIFEST)
    size = sum(files.sizes("models/1").values())
    hidden = files.begin_delete("models/1")
    assert hidden.startswith(f"models/{HIDDEN}")
    assert files.list("models") == [hidden.removeprefix("models/")]
    assert files.finish_delete(hidden) == size
    assert files.list("models") == []
    with pytest.raises(FileNotFoundError):
        files.begin_delete("models/1")
    assert store.delete(files, "models/1") == 0
    store.put(files, "runs/1/record.json", b"12345")
    assert store.delete(files, "runs/1/record.json") == 5


@pytest.fixture
def claim(tmp_path: Path) -> ClaimStore:
    """A claim with a document, beside a place that is none of its own."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "record.json").write_text("precious")
    found = ClaimStore(tmp_path / "claim")
    store.put(found, "runs/1/record.json", b"{}")
    return found


def test_no_link_below_a_claim_is_followed(claim: ClaimStore, tmp_path: Path) -> None:
    """To read, to write, to list, to delete: user code of a run can plant one anywhere."""
    outside = tmp_path / "outside"
    (claim.root / "runs" / "2").symlink_to(outside)
    (claim.root / "runs" / "3").mkdir()
    (claim.root / "runs" / "3" / "record.json").symlink_to(outside / "record.json")
    for work in (
        lambda: store.read(claim, "runs/2/record.json"),
        lambda: store.read(claim, "runs/3/record.json"),
        lambda: store.put(claim, "runs/2/record.json", b"x"),
        lambda: claim.put_if_absent("runs/2/new.json", b"x"),
        lambda: claim.stage("runs/2/candidate-a1"),
        lambda: claim.begin_delete("runs/2/record.json"),
        lambda: claim.list("runs/2"),
    ):
        with pytest.raises(Damaged):
            work()
    store.put(claim, "runs/3/record.json", b"mine")
    assert not claim.put_if_absent("runs/3/record.json", b"another")
    assert store.delete(claim, "runs/2") > 0
    assert sorted(path.name for path in outside.iterdir()) == ["record.json"]
    assert (outside / "record.json").read_text() == "precious"


@pytest.mark.parametrize("path", ["/etc/passwd", "../claim2/x", "runs/../../x"])
def test_no_path_leads_out_of_a_claim(claim: ClaimStore, path: str) -> None:
    with pytest.raises(Damaged):
        claim.open(path)
    with pytest.raises(Damaged):
        store.put(claim, path, b"x")


def test_a_pipe_is_not_read(claim: ClaimStore) -> None:
    """Opening it would wait for a writer."""
    os.mkfifo(claim.root / "runs" / "1" / "pipe")
    with pytest.raises(Damaged):
        claim.open("runs/1/pipe")


def test_a_link_where_a_candidate_is_staged_goes(claim: ClaimStore, tmp_path: Path) -> None:
    (claim.root / "runs" / "1" / "candidate-a1").symlink_to(tmp_path / "outside")
    staging.write(claim.stage("runs/1/candidate-a1") / "saved_model.pb", b"x")
    assert sorted(path.name for path in (tmp_path / "outside").iterdir()) == ["record.json"]


def test_a_file_system_without_hard_links_has_a_first_writer_too(
    claim: ClaimStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr("os.link", refused)
    assert claim.put_if_absent("owner.json", b"one")
    assert not claim.put_if_absent("owner.json", b"two")
    assert store.read(claim, "owner.json") == b"one"
    assert claim.list("") == ["owner.json", "runs"]


WRITING_METHODS = {"write_bytes", "write_text", "rename", "unlink", "rmdir", "touch", "symlink_to", "hardlink_to"}
WRITING_CALLS = {"rename", "replace", "renames", "link", "symlink", "remove", "unlink", "rmdir", "removedirs"}


def writes(source: str) -> list[str]:
    """Calls of a module that write to a file system, but by what `store` gives."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        where = f"line {node.lineno}: {ast.unparse(called)}"
        if isinstance(called, ast.Attribute):
            owner = ast.unparse(called.value)
            if owner == "shutil" or (owner == "os" and called.attr in WRITING_CALLS) or called.attr in WRITING_METHODS:
                found.append(where)
        modes = [
            one.value for one in (*node.args, *(key.value for key in node.keywords)) if isinstance(one, ast.Constant)
        ]
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if name == "open" and any(
            isinstance(mode, str) and set(mode) & set("wxa+") and len(mode) < 4 for mode in modes
        ):
            found.append(where)
    return found


def test_a_write_is_found() -> None:
    """The rule sees what it is for."""
    for source in ("os.rename(a, b)", "path.write_bytes(b'')", "shutil.rmtree(a)", "open(a, 'wb')", "p.open('xb')"):
        assert writes(source), source
    assert not writes("open(a, 'rb'); path.read_bytes(); files.create(path); text.replace('a', 'b')")


def test_nothing_but_the_store_writes_artifacts() -> None:
    """Of the trainer and of the smoke test, which publishes what the trainer staged."""
    trainer = ROOT / "trainer_image" / "ropewalk_trainer"
    modules = [path for path in trainer.rglob("*.py") if (trainer / "store") not in path.parents]
    modules.append(ROOT / "server_image" / "ropewalk_server" / "app" / "smoke_test.py")
    assert len(modules) > 40
    found = {path.relative_to(ROOT).as_posix(): writes(path.read_text()) for path in modules}
    assert {name: lines for name, lines in found.items() if lines} == {}
