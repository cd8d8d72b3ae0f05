"""Images are built when their inputs have changed or the cluster lacks them, and not otherwise."""

from __future__ import annotations

from tools.images import DOCKERFILES, installed_digest, present, update

ALL = list(DOCKERFILES)


class FakeCluster:
    """containerd's list of images; each build gives an image of another digest."""

    def __init__(self, base: str = "x") -> None:
        self.arguments = {"BASE": base}
        self.images: dict[str, str] = {}
        self.built: dict[str, str] = {}

    def ctr(self, *arguments: str) -> str:
        """`images list`, `images tag --force SOURCE TARGET` and `images remove NAME...`, as ctr has them."""
        match arguments:
            case ("images", "list"):
                rows = [f"{ref} application/vnd.oci.image.manifest.v1+json {d} 90.1 MiB linux/amd64 -" for ref, d in
                        self.images.items()]  # fmt: skip
                return "\n".join(["REF TYPE DIGEST SIZE PLATFORMS LABELS", *rows, ""])
            case ("images", "tag", "--force", source, target):
                self.images[target] = self.images[source]
            case ("images", "remove", *names):
                for name in names:
                    del self.images[name]
            case _:
                raise AssertionError(arguments)
        return ""

    def build(self, dockerfile: str, image: str) -> None:
        """Build an image."""
        self.built[image] = f"sha256:{self.arguments['BASE']}-{dockerfile}-{len(self.built)}"

    def load(self, image: str) -> None:
        """Load a built image."""
        self.images[image] = self.built[image]


def test_nothing_is_built_twice() -> None:
    """The second time all is up to date."""
    cluster = FakeCluster()
    assert update(cluster, "dev") == ALL
    assert update(cluster, "dev") == []


def test_other_inputs_are_another_image_and_the_old_mark_goes() -> None:
    """Two tags an image, not one more with each build."""
    cluster = FakeCluster("old")
    update(cluster, "dev")
    cluster.arguments["BASE"] = "new"
    assert update(cluster, "dev") == ALL
    assert len(cluster.images) == 2 * len(ALL)
    assert update(cluster, "dev") == []


def test_an_image_that_is_gone_or_another_is_made_again() -> None:
    """Removed by kubelet, or loaded by hand under the same tag."""
    cluster = FakeCluster()
    update(cluster, "dev")
    del cluster.images["localhost/ropewalk/server:dev"]
    cluster.images["localhost/ropewalk/trainer:dev"] = "sha256:somebody's"
    assert update(cluster, "dev") == ["trainer", "server"]


def test_the_operators_digest_follows_its_inputs_alone() -> None:
    """The same until something of it changes: the pod template's annotation, and with it the pods."""
    assert installed_digest(FakeCluster("a")) == installed_digest(FakeCluster("a"))
    assert installed_digest(FakeCluster("a")) != installed_digest(FakeCluster("b"))


def test_containerds_table_is_read() -> None:
    """Also where an image has no size or labels."""
    listing = "REF TYPE DIGEST SIZE PLATFORMS LABELS\nlocalhost/pause:1 t sha256:1 1 MiB linux/amd64 -\nbroken\n"
    assert present(listing) == {"localhost/pause:1": "sha256:1"}
