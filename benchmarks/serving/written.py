"""results.md, results.json and the plots, from what a run has found."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.serving import tools
from benchmarks.serving.figures.speed import LOADS
from benchmarks.serving.results import Results, Row
from benchmarks.serving.setups import SETUPS

SHOWN_PACKAGES = ("fastapi", "uvicorn", "uvloop", "kserve", "mlserver", "bentoml", "litserve", "ray", "tensorflow-cpu")
ENGINES = {"tensorflow": "SavedModel signature", "litert": "LiteRT", "auto": "LiteRT or OpenVINO, as loaded"}


def write(results: Results, folder: Path) -> None:
    """All files of the run into `folder`; a plot that cannot be drawn is a line in the results."""
    folder.mkdir(parents=True, exist_ok=True)
    found = folder / "results.json"
    found.write_text(json.dumps(results.document(), indent=1) + "\n")
    try:
        python = tools.python("plots", tools.HERE / "plots" / "requirements.txt")
        draw = [str(python), str(tools.HERE / "plots" / "draw.py"), str(found), str(folder)]
        done = subprocess.run(draw, capture_output=True, text=True, check=False)
        if done.returncode:
            results.skip(f"plots: {done.stderr.strip()[-400:]}")
    except tools.ToolError as error:
        results.skip(f"plots: {error}")
    (folder / "results.md").write_text(markdown(results, folder))


def markdown(results: Results, folder: Path) -> str:
    """The page."""
    machine, settings = results.machine, results.settings
    rounds = settings["rounds"]
    parts = [
        "# Our server beside its peers",
        "Written by `make bench-serving`; by hand only in README.md.",
        f"Measured on {datetime.now(UTC):%Y-%m-%d} at commit {settings['commit']}: {machine['cpu']}, "
        f"{machine['cores']} cores shared by server and load generator, {machine['memory_mib'] // 1024} GiB, Linux "
        f"{machine['kernel']}. Loads of {settings['seconds']:g} s, medians of {rounds} (ours: {2 * rounds}, half of "
        "them after the peers). One server at a time, on 127.0.0.1.",
        "## Targets",
        _table(
            ("figure", "value", "target", "met", "compared with"),
            (_figure(one) for one in results.figures if one["target"] is not None),
        ),
        "## Other figures",
        _table(
            ("figure", "value", "compared with"),
            ((_cell(one), _value(one), one["compared_with"]) for one in results.figures if one["target"] is None),
        ),
    ]
    for load in (*((one.name, f"{one.shown}, {one.connections} connections") for one in LOADS), *_other(results)):
        if rows := results.rows(load[0]):
            head = ("server", "engine", "requests/s", "rows/s", "p50 ms", "p99 ms", "failed")
            parts += [f"## {load[1]}", _table(head, (_row(row) for row in rows))]
    sizes = ((_name(one), _engine(one["engine"]), one["model"], *_size(one)) for one in results.sizes.values())
    parts += [
        "## Data points: ours, rows of ten numbers",
        _table(
            ("rows a request", "connections", "rows/s", "p99 ms", "failed"),
            (
                (str(o["rows"]), str(o["connections"]), f"{o['rate']:,.0f}", f"{o['p99']:.3g}", str(o["failed"]))
                for o in results.points
            ),
        ),
        "## Start and memory",
        _table(("server", "engine", "network", "start to first answer, s", "resident after the load, MiB"), sizes),
        *(f"![{plot.stem}]({plot.name})" for plot in sorted(folder.glob("*.png"))),
    ]
    if results.skipped:
        parts += ["## Not measured", "\n".join(f"- {' '.join(text.split())}" for text in results.skipped)]
    parts += ["## Settings", "\n".join(f"- **{one.name}**: {one.settings}. {_versions(one.peer)}." for one in SETUPS)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _other(results: Results) -> Iterable[tuple[str, str]]:
    """Loads that are not of the speed figure."""
    known = {load.name for load in LOADS}
    return ((name, name) for name in dict.fromkeys(row.load for row in results.rows()) if name not in known)


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([f"| {' | '.join(head)} |", "|" + "---|" * len(head), *rows]) if rows else ""


def _figure(one: dict[str, Any]) -> Sequence[str]:
    value = _value(one)
    met = "yes" if one["met"] else "**no**"
    return _cell(one), value, f"{one['sign']}{_number(one['target'])}", met, one["compared_with"]


def _cell(one: dict[str, Any]) -> str:
    return str(one["metric"])


def _value(one: dict[str, Any]) -> str:
    number = _number(one["value"])
    return number if one["unit"] == "ratio" else f"{number} {one['unit']}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _row(row: Row) -> Sequence[str]:
    name = f"**{row.server}**" if row.server.startswith("Ropewalk") else row.server
    rate = f"{row.rate:,.0f}" if row.rate >= 100 else f"{row.rate:.1f}"
    rows = f"{row.rate * row.rows:,.0f}"
    return name, _engine(row.engine), rate, rows, f"{row.p50:.3g}", f"{row.p99:.4g}", str(row.failed)


def _engine(name: str) -> str:
    return ENGINES.get(name, name)


def _name(one: dict[str, Any]) -> str:
    return f"**{one['server']}**" if one["server"].startswith("Ropewalk") else str(one["server"])


def _size(one: dict[str, Any]) -> tuple[str, str]:
    return f"{one['first_answer']:.2f}", f"{one['resident']:.0f}"


def _versions(peer: str) -> str:
    """The pinned versions that decide the figures."""
    lines = (tools.HERE / "peers" / peer / "requirements.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return ", ".join(f"{name} {pins[name]}" for name in SHOWN_PACKAGES if name in pins)
