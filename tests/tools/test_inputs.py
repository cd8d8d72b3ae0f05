"""An image's hash changes with every input of its build and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.images import DOCKERFILES, ROOT
from tools.inputs import UnreadableDockerfile, copied, files, image_digest, patterns_of

DOCKERFILE = """ARG BASE=x
FROM ${BASE} AS one
COPY lock.txt /tmp/
COPY --chown=1:1 code \\
  more/readme.md /src/
FROM ${BASE}
COPY --from=one /src /src
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small repository."""
    for name in ("code/a.py", "code/deep/b.py", "code/__pycache__/a.pyc", "code/native.so", "more/readme.md", "other"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "lock.txt").write_text("numpy==2")
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / ".dockerignore").write_text("**/__pycache__\n**/*.so\ncode/ignored\n")
    return tmp_path


def of(root: Path, **arguments: str) -> str:
    """The hash of the image."""
    return image_digest(root, "Dockerfile", arguments)


def test_sources_are_those_of_the_context() -> None:
    """Over continued lines, without options, destinations and other stages."""
    assert copied(DOCKERFILE) == ["code", "lock.txt", "more/readme.md"]


@pytest.mark.parametrize("line", ["ADD x /x", 'COPY ["a", "/b"]', "RUN --mount=type=bind,source=x,target=/x true"])
def test_an_instruction_that_is_not_understood_is_refused(line: str) -> None:
    """An input that is overlooked would leave an old image in the cluster."""
    with pytest.raises(UnreadableDockerfile, match=line.split()[0]):
        copied(line)


@pytest.mark.parametrize("name", ["code/a.py", "code/deep/b.py", "more/readme.md", "lock.txt", "Dockerfile"])
def test_every_input_counts(root: Path, name: str) -> None:
    """The content of each file."""
    before = of(root)
    (root / name).write_text(DOCKERFILE + "# edited")
    assert of(root) != before


def test_names_modes_and_arguments_count(root: Path) -> None:
    """A new file, a renamed one, one that becomes a program, another build argument."""
    seen = [of(root), of(root, BASE="debian")]
    (root / "code/a.py").rename(root / "code/c.py")
    seen.append(of(root))
    (root / "code/c.py").chmod(0o755)
    seen.append(of(root))
    (root / "code/new.py").write_text("")
    seen.append(of(root))
    assert len(set(seen)) == 5


def test_what_is_no_input_does_not_count(root: Path) -> None:
    """Other files, ignored ones, times."""
    before = of(root)
    for name in ("other", "code/__pycache__/a.pyc", "code/native.so"):
        (root / name).write_text("edited")
    (root / "code/ignored").mkdir()
    (root / "code/ignored/x").write_text("new")
    (root / "code/a.py").touch()
    assert of(root) == before


def test_a_source_that_is_missing_is_named(root: Path) -> None:
    """As the build would, only earlier."""
    (root / "lock.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"lock\.txt"):
        of(root)


@pytest.mark.parametrize("dockerfile", DOCKERFILES.values())
def test_the_repositorys_dockerfiles_are_understood(dockerfile: str) -> None:
    """Their sources exist, and programs and locks are among the files."""
    sources = copied((ROOT / dockerfile).read_text())
    found = {str(path) for path in files(ROOT, sources, patterns_of(ROOT))}
    assert "pyproject.toml" in found
    assert any(name.startswith("locks/") for name in found)
    assert any(name.endswith("ropewalk_contract/__init__.py") for name in found)
    assert not [name for name in found if name.endswith((".pyc", ".so"))]
