"""Writes scikit-learn's breast cancer data (569 rows, 30 measurements) as the CSV files that the example trains on.

usage: make_data.py DIRECTORY [--drifted]

`train.csv` has 469 rows as they are. With --drifted a second file, `drifted.csv`, is written: the other 100 rows with
`mean radius` twice as large, as if a microscope had been replaced by one that reports another unit.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from sklearn.datasets import load_breast_cancer


def shuffled() -> pd.DataFrame:
    """All rows in an order that does not depend on the class, with the label column `diagnosis`."""
    data = load_breast_cancer(as_frame=True).frame.sample(frac=1.0, random_state=7)
    data["diagnosis"] = data.pop("target").map({0: "malignant", 1: "benign"})
    return data


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--drifted", action="store_true")
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    data = shuffled()
    first, later = data.iloc[:469], data.iloc[469:].copy()
    if arguments.drifted:
        later["mean radius"] *= 2
        later.to_csv(arguments.directory / "drifted.csv", index=False)
    else:
        first.to_csv(arguments.directory / "train.csv", index=False)


if __name__ == "__main__":
    main()
