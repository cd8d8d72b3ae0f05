"""Writes made-up feedback of a shop's customers (1,200 comments with a verdict) as one JSONLines file.

usage: make_data.py DIRECTORY

Each row has `comment`, now and then none, `rating` (1 to 5 stars), `sent` (RFC 3339) and `verdict`: "praise" or
"complaint". It follows from the words of most comments; stars and the hour alone leave it open.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROWS = 1200
OPENINGS = ("Hello,", "Hi there!", "To whom it may concern:", "Well \u2013", "So,", "I ordered two weeks ago.", "")
THINGS = ("lamp", "rope", "kettle", "desk", "jacket", "caf\u00e9 table", "bicycle", "tent", "keyboard", "hammock")
PRAISE = (
    "The {} is wonderful, thank you!",
    "My {} arrived early and works perfectly \U0001f600",
    "I love the {}. Great quality, friendly service.",
    "Best {} I have ever had; I would buy it again.",
    "DELIGHTED with the {}, and so is my mother.",
)
COMPLAINT = (
    "The {} was broken when it came.",
    "My {} never arrived and nobody answers \U0001f621",
    "I want my money back: the {} is useless.",
    "Terrible {}, poor quality, rude service.",
    "DISAPPOINTED by the {}; it fell apart on the first day.",
)
NEITHER = ("About the {}: see the letter that I sent.", "This is about my {} and its invoice.")
CLOSINGS = ("Regards", "Bye", "Please answer.", "Sent from my phone", "Number {}", "")


def rows(count: int = ROWS, seed: int = 7) -> Iterator[dict[str, Any]]:
    """So many rows, the same for the same seed."""
    chance = random.Random(seed)
    first = datetime(2026, 1, 1, tzinfo=UTC)
    for _ in range(count):
        complaint = chance.random() < 0.4
        sentences = NEITHER if chance.random() < 0.05 else COMPLAINT if complaint else PRAISE
        said = chance.choice(sentences).format(chance.choice(THINGS))
        closing = chance.choice(CLOSINGS).format(chance.randrange(10_000, 99_999))
        stars = chance.choice((1, 2, 3) if complaint else (3, 4, 5))
        second = chance.triangular(8 * 3600, 22 * 3600, (19 if complaint else 11) * 3600)
        sent = first + timedelta(days=chance.randrange(90), seconds=int(second))
        yield {
            "comment": None if chance.random() < 0.03 else " ".join((chance.choice(OPENINGS), said, closing)).strip(),
            "rating": stars,
            "sent": sent.isoformat(),
            "verdict": "complaint" if complaint else "praise",
        }


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row, ensure_ascii=False) for row in rows()]
    (arguments.directory / "feedback.jsonl").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
