"""Texts that `kubectl explain` and the reference show: a noun first, and nothing is a person."""

from __future__ import annotations

import re

from tests.docs.texts import texts

DESCRIBED = ("contract/ropewalk_contract/api/", "contract/ropewalk_contract/reasons.py")
CLAUSE = re.compile(r"(What|Whether|Which|Who|Whose|Those|Why|How)\b")
PERSON = re.compile(r"\b(nobody|somebody|anybody|everybody|strangers?)\b", re.IGNORECASE)


def test_descriptions_begin_with_a_noun_and_name_no_person() -> None:
    ours = [text for text in texts() if text.file.startswith(DESCRIBED)]
    assert len(ours) > 300
    assert [
        f"{text}: {text.words[:60]}" for text in ours if CLAUSE.match(text.words) or PERSON.search(text.words)
    ] == []
