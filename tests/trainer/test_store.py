"""The store of a Pipeline belongs to one uid, and so does every run's directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from ropewalk_trainer.errors import UserError
from ropewalk_trainer.store.layout import Store


def test_a_namesake_needs_permission_to_take_a_store_over(tmp_path: Path) -> None:
    """Without it the reason and the remedy are given; the owner stays."""
    store = Store(tmp_path / "p", "pvc://models/p")
    store.claim("one", adopt=False)
    store.claim("one", adopt=False)
    with pytest.raises(UserError, match="adopt-store") as caught:
        store.claim("two", adopt=False)
    assert caught.value.reason == "StoreOwnedByAnother"
    store.claim("two", adopt=True)
    store.claim("two", adopt=False)


def test_what_a_namesake_left_under_a_runs_number_is_no_cache(tmp_path: Path) -> None:
    """Another attempt of the same Pipeline finds its work; another Pipeline finds nothing."""
    store = Store(tmp_path / "p", "pvc://models/p")
    store.begin(1, "one")
    (store.run(1) / "splits").mkdir()
    store.begin(1, "one")
    assert (store.run(1) / "splits").is_dir()
    store.begin(1, "two")
    assert not (store.run(1) / "splits").exists()
