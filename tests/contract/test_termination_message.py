"""What a container says last fits into its 2,048 bytes, whatever the names in it are made of."""

from __future__ import annotations

import json

from ropewalk.core.jobs.container_end import document
from ropewalk_contract import wire
from ropewalk_contract.documents import termination_message

LONG = "\u826f\u6027\u80bf\u7624" * 200


def test_what_fits_is_said_as_it_is() -> None:
    said = {"v": 1, "message": "\u00c9cole \U0001f600"}
    assert termination_message.fitted(said, [termination_message.no_log]) == said
    assert document(termination_message.encoded(said).decode()) == said


def test_the_log_goes_first_and_the_message_is_cut_last() -> None:
    """By bytes, of which such a sign takes three."""
    said = {"v": 1, "message": LONG, "log": [LONG] * 5}
    found = termination_message.fitted(said, [termination_message.no_log])
    assert len(found["log"]) == 2
    assert LONG.startswith(found["message"])
    assert found["message"]
    assert len(termination_message.encoded(found)) <= wire.MAX_TERMINATION_BYTES


def test_half_of_a_surrogate_pair_costs_its_sign_and_nothing_else() -> None:
    """The operator would discard all of it."""
    said = termination_message.encoded({"v": 1, "message": "cat\udcff"})
    assert document(said.decode()) == {"v": 1, "message": "cat?"}
    assert json.loads(said)["message"] == "cat?"
