"""python -m tools.commit_subjects: subjects of commits since SINCE have at most 72 characters.

A clone that lacks SINCE (a shallow one) cannot be checked: the program reports that and succeeds.
"""

from __future__ import annotations

import subprocess
import sys

SINCE = "9fe97bf"
"""The last commit before the rule; its own subject is longer."""
MOST = 72


def too_long(log: str) -> list[str]:
    """The lines of `git log --format='%h %s'` whose subject is longer than MOST characters."""
    return [line for line in log.splitlines() if len(line.partition(" ")[2]) > MOST]


def main() -> int:
    """Check the current branch; 0 if all subjects are short enough or the history is not there."""
    known = subprocess.run(["git", "merge-base", "--is-ancestor", SINCE, "HEAD"], capture_output=True, check=False)
    if known.returncode:
        print(f"commit subjects: not checked, since this clone's history does not reach back to {SINCE}")
        return 0
    command = ["git", "log", "--format=%h %s", f"{SINCE}..HEAD"]
    wrong = too_long(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    for line in wrong:
        print(f"subject of {len(line.partition(' ')[2])} characters, at most {MOST} are allowed: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
