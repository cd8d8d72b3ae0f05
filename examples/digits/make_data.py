"""Writes scikit-learn's handwritten digits (1,797 images of 8x8 grey values) as one Parquet file.

usage: make_data.py DIRECTORY

Each row has `pixels` (64 values of 0..255) and `digit` ("0".."9").
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from sklearn.datasets import load_digits


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    digits = load_digits()
    pixels = (digits.data * 255 / 16).round().astype("uint8")
    frame = pd.DataFrame({"pixels": [row.tolist() for row in pixels], "digit": digits.target.astype(str)})
    frame.to_parquet(arguments.directory / "digits.parquet", index=False)


if __name__ == "__main__":
    main()
