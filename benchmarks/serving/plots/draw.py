"""The plots of a run: RESULTS.json FOLDER. Runs in an environment of its own, which has matplotlib."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("agg")
import matplotlib.pyplot as plt

TITLES = {"single": "MLP, 1 row a request", "rows100": "MLP, 100 rows a request", "cnn": "CNN 28x28, 32 rows a request"}
OURS, YARDSTICK, DOCUMENTED, SAME = "#1f6f8b", "#9aa0a6", "#d9822b", "#e8b676"


def speed(loads: list[dict[str, Any]], folder: Path) -> None:
    """Requests a second of every server, one panel a load; dots, as lengths on a logarithmic axis say nothing."""
    found = [name for name in TITLES if any(one["load"] == name and one["rate"] for one in loads)]
    if not found:
        return
    figure, panels = plt.subplots(1, len(found), figsize=(5.2 * len(found), 5), squeeze=False)
    for panel, name in zip(panels[0], found, strict=True):
        rows = sorted((one for one in loads if one["load"] == name and one["rate"]), key=lambda one: one["rate"])
        for place, one in enumerate(rows):
            panel.plot(one["rate"], place, "o", color=_color(one), markersize=8)
            shown = f"{one['rate']:,.0f}/s, p99 {_milliseconds(one['p99'])}"
            panel.annotate(shown, (one["rate"], place), (7, -3), textcoords="offset points", fontsize=7)
        panel.set_yticks(range(len(rows)), [_label(one) for one in rows])
        panel.set_xscale("log")
        panel.set_xlim(rows[0]["rate"] / 2, rows[-1]["rate"] * 40)
        panel.grid(axis="x", color="#e6e6e6")
        panel.set_axisbelow(True)
        panel.set_title(TITLES[name], fontsize=10)
        panel.set_xlabel("requests/s")
        panel.tick_params(labelsize=8)
    _save(figure, folder / "speed.png")


def points(found: list[dict[str, Any]], folder: Path) -> None:
    """Rows a second over p99, one line a number of rows, one point a number of connections."""
    if not found:
        return
    figure, panel = plt.subplots(figsize=(6.5, 4))
    for rows in sorted({one["rows"] for one in found}):
        line = [one for one in found if one["rows"] == rows]
        panel.plot([o["p99"] for o in line], [o["rate"] / 1e6 for o in line], "o-", label=f"{rows} rows a request")
        for one in line:
            at = (one["p99"], one["rate"] / 1e6)
            panel.annotate(f"c{one['connections']}", at, fontsize=7, xytext=(3, 3), textcoords="offset points")
    panel.axvline(10, color=YARDSTICK, linestyle="--", linewidth=1)
    panel.axhline(2, color=YARDSTICK, linestyle="--", linewidth=1)
    panel.set_xscale("log")
    panel.xaxis.set_major_formatter("{x:g}")
    panel.xaxis.set_minor_formatter("{x:g}")
    panel.tick_params(which="both", labelsize=8)
    panel.set_ylim(bottom=0)
    panel.set_xlabel("p99, ms (target: below 10)")
    panel.set_ylabel("million rows/s (target: 2)")
    panel.legend(fontsize=8)
    _save(figure, folder / "points.png")


def sizes(found: list[dict[str, Any]], folder: Path) -> None:
    """Start and memory with the MLP."""
    rows = [one for one in found if one["model"] == "mlp"]
    if not rows:
        return
    figure, panels = plt.subplots(1, 2, figsize=(11, 4.5))
    shown = (("first_answer", "process start to first answer, s"), ("resident", "resident memory after the load, MiB"))
    for panel, (key, title) in zip(panels, shown, strict=True):
        rows.sort(key=lambda one, key=key: -one[key])
        bars = panel.barh([_label(one) for one in rows], [one[key] for one in rows], color=[_color(o) for o in rows])
        panel.bar_label(
            bars, [f"{one[key]:,.0f}" if one[key] >= 100 else f"{one[key]:.3g}" for one in rows], padding=3, fontsize=7
        )
        panel.margins(x=0.15)
        panel.set_title(title, fontsize=10)
        panel.tick_params(labelsize=8)
    _save(figure, folder / "sizes.png")


def _milliseconds(value: float) -> str:
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.3g} ms"


def _label(one: dict[str, Any]) -> str:
    return f"{one['server']}, LiteRT" if one["engine"] == "litert" else str(one["server"])


def _color(one: dict[str, Any]) -> str:
    if one["server"].startswith("Ropewalk"):
        return OURS
    return {"tensorflow": DOCUMENTED, "litert": SAME}.get(one["engine"], YARDSTICK)


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    document = json.loads(Path(sys.argv[1]).read_text())
    speed(document["loads"], Path(sys.argv[2]))
    points(document["points"], Path(sys.argv[2]))
    sizes(document["sizes"], Path(sys.argv[2]))
