"""Requests a second under the same closed loads: ours, nginx as the yardstick, every peer."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.serving.results import Row
from benchmarks.serving.run import Run
from benchmarks.serving.servers import Server, ServerError, load_all
from benchmarks.serving.setups import SETUPS
from benchmarks.serving.tools import ToolError

WARM_SECONDS = 1.0
SETTLED_SECONDS = 45.0
"""Of a load on ours after which `Auto` has seen which requests come and has changed its engine if that pays."""
OURS, NGINX = "Ropewalk", "nginx"
REPLICAS = 2
"""As many as the machine has cores, and as many as the peers have workers where their documents say so."""
OURS_TWICE = f"Ropewalk, {REPLICAS} replicas"
AUTO, DOCUMENTED, SAME = "auto", "tensorflow", "litert"


@dataclass(frozen=True)
class Load:
    """A closed load: `rows` a request of a network over `connections`."""

    name: str
    model: str
    rows: int
    shown: str
    connections: int = 16


LOADS = (
    Load("single", "mlp", 1, "MLP, 1 row", connections=64),
    Load("rows100", "mlp", 100, "MLP, 100 rows"),
    Load("cnn", "cnn", 32, "CNN 28x28, 32 rows"),
)


def measure(run: Run) -> None:
    """All servers, ours before and after the others; then the ratios."""
    _ours(run)
    if "single" in run.only:
        _nginx(run)
    lacking: set[str] = set()
    for setup, engine in run.each():
        for model in ("mlp", "cnn"):
            if not _chosen(run, model) or setup.peer in lacking:
                continue
            try:
                with run.bench.peer(setup, engine, model) as server:
                    _loads(run, server, engine, model)
            except (ServerError, ToolError) as error:
                run.results.skip(f"{setup.name} ({engine}), {model}: {error}")
                if isinstance(error, ToolError):
                    lacking.add(setup.peer)
    if run.setups:
        _ours(run)
    _ratios(run)


def _chosen(run: Run, model: str) -> list[Load]:
    return [load for load in LOADS if load.model == model and load.name in run.only]


def _ours(run: Run) -> None:
    for model in ("mlp", "cnn"):
        if _chosen(run, model):
            with run.bench.ours(model) as server:
                _loads(run, server, AUTO, model)
            with run.bench.ours(model) as one, run.bench.ours(model) as other:
                for load in _chosen(run, model):
                    body = one.body(model, load.rows)
                    load_all([one, other], body, _warm(run, load, AUTO), load.connections)
                    for _ in range(run.rounds):
                        sample = load_all([one, other], body, run.seconds, load.connections)
                        run.results.sample(OURS_TWICE, AUTO, load.name, load.rows, sample)


def _loads(run: Run, server: Server, engine: str, model: str) -> None:
    for load in _chosen(run, model):
        body = server.body(model, load.rows)
        server.load(body, _warm(run, load, engine), load.connections)
        for _ in range(run.rounds):
            sample = server.load(body, run.seconds, load.connections)
            run.results.sample(server.name, engine, load.name, load.rows, sample)
    run.results.size(server.name, engine, model, server.first_answer, server.process.resident_mib())


def _warm(run: Run, load: Load, engine: str) -> float:
    """Seconds of load before the first measurement."""
    return SETTLED_SECONDS if engine == AUTO and load.model == "cnn" else min(WARM_SECONDS, run.seconds)


def _nginx(run: Run) -> None:
    """The same requests as our server gets, answered with what it answers, from memory."""
    with run.bench.ours("mlp") as server:
        body = server.body("mlp", 1)
        answer = server.post(body)[2]
    with run.bench.nginx(answer) as server:
        connections = next(load.connections for load in LOADS if load.name == "single")
        server.load(body, min(WARM_SECONDS, run.seconds), connections)
        for _ in range(run.rounds):
            run.results.sample(NGINX, "", "single", 1, server.load(body, run.seconds, connections))


def _ratios(run: Run) -> None:
    results = run.results
    failed = sum(row.failed for load in LOADS for row in results.rows(load.name) if row.server in (OURS, OURS_TWICE))
    results.figure("failed requests of ours under all loads", failed, "requests", 0)
    for load in LOADS:
        rows = results.rows(load.name)
        for ours in (row for row in rows if row.server in (OURS, OURS_TWICE)):
            _compared(run, load, ours, rows)


def _compared(run: Run, load: Load, ours: Row, rows: list[Row]) -> None:
    """One or two of ours beside the others; targets are the same."""
    results = run.results
    shown = load.shown if ours.server == OURS else f"{load.shown}, {REPLICAS} replicas"
    results.figure(shown, ours.rate, "requests/s")
    results.figure(f"{shown}, p99", ours.p99, "ms")
    nginx = next((row for row in rows if row.server == NGINX), None)
    if nginx is not None:
        said = f"nginx, one worker, static body: {nginx.rate:,.0f} requests/s"
        results.figure(f"{shown}, of nginx' rate", ours.rate / nginx.rate, "ratio", 0.5, said, at_least=True)
    documented, same = _best(rows, DOCUMENTED), _best(rows, SAME)
    wanted = {"single": 25.0, "rows100": 20.0, "cnn": 6.0}[load.name]
    if documented is not None:
        name = f"{shown}, times the best peer set up as documented"
        results.figure(name, ours.rate / documented.rate, "ratio", wanted, _shown(documented), at_least=True)
        if load.name == "cnn":
            name = f"{shown}, p99 where that peer has {documented.p99:.3g} ms"
            results.figure(name, ours.p99, "ms", documented.p99, _shown(documented))
    if same is not None:
        target = 5.0 if load.name == "single" else None
        name = f"{shown}, times the best peer with our engine inside"
        results.figure(name, ours.rate / same.rate, "ratio", target, _shown(same), at_least=True)


def _best(rows: list[Row], engine: str) -> Row | None:
    """The fastest peer with that engine; none that failed a request."""
    peers = {setup.name for setup in SETUPS}
    sound = [row for row in rows if row.server in peers and row.engine == engine and row.rate and not row.failed]
    return max(sound, key=lambda row: row.rate, default=None)


def _shown(row: Row) -> str:
    return f"{row.server}: {row.rate:,.0f} requests/s, p99 {row.p99:.3g} ms"
