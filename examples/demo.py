"""The main job, end to end, as `make demo` shows it: train, serve, ask, drift, and train again by itself.

Everything here is what a user would do by hand with kubectl and curl; the terminal shows each command's effect.
The cluster is left running. A second call starts from what the first one left.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sklearn.datasets import load_digits

HERE = Path(__file__).parent
NAMESPACE = "ropewalk-demo"
FILES_POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "files", "namespace": NAMESPACE},
    "spec": {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {
                "name": "files",
                "image": os.environ.get("ROPEWALK_TRAINER_IMAGE", "localhost/ropewalk/trainer:dev"),
                "command": ["sleep", "infinity"],
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            }
        ],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
    },
}


def say(text: str = "") -> None:
    """Print one line at once."""
    print(text, flush=True)


def kubectl(*arguments: str, stdin: bytes | None = None) -> str:
    """Run kubectl in the demonstration's namespace and return what it printed; its own words reach the terminal
    when it fails."""
    done = subprocess.run(
        ["kubectl", "--namespace", NAMESPACE, *arguments], input=stdin, stdout=subprocess.PIPE, check=True
    )
    return done.stdout.decode()


def get(kind: str, name: str) -> dict[str, Any]:
    """One resource as JSON."""
    found: dict[str, Any] = json.loads(kubectl("get", kind, name, "-o", "json"))
    return found


def condition(resource: dict[str, Any], kind: str) -> dict[str, Any]:
    """The condition of that type, or an empty one."""
    found = resource.get("status", {}).get("conditions", [])
    return next((c for c in found if c["type"] == kind), {})


def wait(what: str, look: Callable[[], tuple[bool, str]], seconds: float = 420) -> None:
    """Show `look`'s line whenever it changes until it says done; stop the demonstration with the last line if it
    never does."""
    started, shown = time.monotonic(), ""
    while True:
        done, line = look()
        if line != shown:
            say(f"  {time.monotonic() - started:5.1f} s  {line}")
            shown = line
        if done:
            return
        if time.monotonic() - started > seconds:
            sys.exit(f"gave up after {seconds:.0f} s waiting for {what}; last seen: {line}")
        time.sleep(0.5)


def run_finished(pipeline: str, after: int, trigger: str = "") -> Callable[[], tuple[bool, str]]:
    """A look at a Pipeline until a run later than `after`, and of that trigger if one is given, has ended."""

    def look() -> tuple[bool, str]:
        status = get("pipeline", pipeline).get("status", {})
        summary = status.get("summary", {})
        words = [f"pipeline/{pipeline}"]
        words += [
            str(summary[k]) for k in ("run", "stage", "progress", "result", "metric", "message") if summary.get(k)
        ]
        history = [h for h in status.get("history", []) if int(h["id"]) > after and trigger in ("", h["trigger"])]
        ended = bool(history)
        if ended and history[-1].get("result") == "Failed":
            sys.exit("  ".join(words) + f"\n{json.dumps(history[-1], indent=2)}")
        return ended, "  ".join(words)

    return look


def serving(name: str) -> Callable[[], tuple[bool, str]]:
    """A look at a ModelDeployment until it answers predictions with its Pipeline's champion."""

    def look() -> tuple[bool, str]:
        resource = get("modeldeployment", name)
        ready = condition(resource, "Ready")
        live = resource.get("status", {}).get("live", {}).get("version")
        champion = get("pipeline", name).get("status", {}).get("champion", {}).get("version")
        line = f"modeldeployment/{name}  Ready={ready.get('status', 'Unknown')}  {ready.get('message', '')}"
        return ready.get("status") == "True" and live == champion, line

    return look


@contextlib.contextmanager
def forwarded(service: str) -> Iterator[str]:
    """The base URL of a Service, through kubectl port-forward, while the block runs."""
    command = ["kubectl", "-n", NAMESPACE, "port-forward", f"service/{service}", ":8501"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            port = line.split(" -> ")[0].rsplit(":", 1)[1]
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def post(url: str, body: object) -> tuple[dict[str, Any], str]:
    """POST JSON; the answer and the prediction's id."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer), answer.headers.get("ropewalk-prediction-id", "")


def upload(path: Path, target: str) -> None:
    """Copy one file into the claim `data`, whole or not at all."""
    script = f"mkdir -p $(dirname /data/{target}) && cat > /data/{target}.part && mv /data/{target}.part /data/{target}"
    kubectl("exec", "-i", "files", "--", "sh", "-c", script, stdin=path.read_bytes())


def rows_of(path: Path) -> list[tuple[dict[str, float], str]]:
    """A CSV file's rows as the model's inputs, and their labels."""
    with path.open(newline="") as file:
        return [
            ({k.replace(" ", "_"): float(v) for k, v in row.items() if k != "diagnosis"}, row["diagnosis"])
            for row in csv.DictReader(file)
        ]


def make_data(directory: Path) -> None:
    """Write the examples' data."""
    tabular = [sys.executable, str(HERE / "tabular/make_data.py"), str(directory / "cancer")]
    subprocess.run(tabular, check=True)
    subprocess.run([*tabular, "--drifted"], check=True)
    subprocess.run([sys.executable, str(HERE / "digits/make_data.py"), str(directory / "digits")], check=True)


def set_up(directory: Path) -> None:
    """Namespace, claims, data."""
    say("1. A namespace, two volume claims, and the data (scikit-learn's breast cancer and digits sets)")
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }
    kubectl("apply", "-f", "-", stdin=json.dumps(namespace).encode())
    kubectl("apply", "-f", str(HERE / "storage.yaml"))
    kubectl("apply", "-f", "-", stdin=json.dumps(FILES_POD).encode())
    kubectl("wait", "--for=condition=Ready", "pod/files", "--timeout=60s")
    make_data(directory)
    kubectl("exec", "files", "--", "rm", "-f", "/data/cancer/drifted.csv")
    upload(directory / "cancer/train.csv", "cancer/train.csv")
    upload(directory / "digits/digits.parquet", "digits/digits.parquet")


def last_run(pipeline: str) -> int:
    """The number of the newest run that has ended, 0 before the first."""
    found = json.loads(kubectl("get", "pipelines", "-o", "json"))["items"]
    mine = [p for p in found if p["metadata"]["name"] == pipeline]
    return max((int(h["id"]) for p in mine for h in p.get("status", {}).get("history", [])), default=0)


def count_labels() -> None:
    """Give the model of the tabular example a key that signs prediction ids, with which it takes labels."""
    if not kubectl("get", "secret", "receipts", "--ignore-not-found", "-o", "name").strip():
        kubectl("create", "secret", "generic", "receipts", f"--from-literal=key={secrets.token_hex(16)}")
    change = json.dumps({"spec": {"monitor": {"feedback": {"secret": "receipts"}}}})
    kubectl("patch", "modeldeployment", "cancer", "--type=merge", "-p", change)


def train_and_serve() -> None:
    """Apply the two examples and watch them until they answer."""
    say("\n2. kubectl apply -f examples/tabular -f examples/digits, and watch")
    before = {name: last_run(name) for name in ("cancer", "digits")}
    for name, folder in (("cancer", "tabular"), ("digits", "digits")):
        kubectl("apply", "-f", str(HERE / folder / "pipeline.yaml"), "-f", str(HERE / folder / "modeldeployment.yaml"))
        if name == "cancer":
            count_labels()
        if before[name]:
            stamp = f"ropewalk.dev/run-requested-at={time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}"
            kubectl("annotate", "--overwrite", "pipeline", name, stamp)
    for name in ("cancer", "digits"):
        wait(f"a run of pipeline {name}", run_finished(name, before[name]))
        wait(f"modeldeployment {name}", serving(name))


def ask(directory: Path) -> None:
    """Real requests, their answers, and the truth sent back."""
    say("\n3. Ask it, and tell it the truth later")
    rows = rows_of(directory / "cancer/train.csv")
    with forwarded("cancer") as url:
        for row, label in rows[:3]:
            answer, _ = post(f"{url}/v1/models/cancer:predict", {"instances": [row]})
            short = {k: row[k] for k in list(row)[:2]}
            prediction = json.dumps(answer["predictions"][0])
            say(f"  POST :predict {json.dumps(short)[:-1]}, ...}} -> {prediction}  (truth: {label})")
        for row, label in rows[:60]:
            _, prediction_id = post(f"{url}/v1/models/cancer:predict", {"instances": [row]})
            post(f"{url}/v1/models/cancer:feedback", {"id": prediction_id, "label": label})
        say("  60 labels sent to :feedback; column ACCURACY shows them when their window has closed")
    ask_digits()


def ask_digits() -> None:
    """Images, as nested lists of grey values; most answers must be the truth."""
    data = load_digits()
    images = (data.images[:5] * 255 / 16).round().astype(int)[..., None].tolist()
    with forwarded("digits") as url:
        body = {"instances": [{"pixels": image} for image in images]}
        answer, _ = post(f"{url}/v1/models/digits:predict", body)
    said, truth = [row["label"] for row in answer["predictions"]], [str(digit) for digit in data.target[:5]]
    say(f"  POST :predict of five images of 8x8 -> {' '.join(said)}  (truth: {' '.join(truth)})")
    if sum(a == b for a, b in zip(said, truth, strict=True)) < 4:
        sys.exit("the digits model does not know the digits that it was trained on")


def drift(directory: Path) -> None:
    """A drifted period arrives, in the source and in the traffic."""
    say("\n4. The world drifts: `mean radius` doubles, in the new data and in the requests")
    upload(directory / "cancer/drifted.csv", "cancer/drifted.csv")
    rows = [row for row, _ in rows_of(directory / "cancer/drifted.csv")]
    before = last_run("cancer")
    with forwarded("cancer") as url:

        def look() -> tuple[bool, str]:
            for start in range(0, 100, 10):
                post(f"{url}/v1/models/cancer:predict", {"instances": rows[start : start + 10]})
            drifted = condition(get("modeldeployment", "cancer"), "DataDrift")
            return drifted.get("status") == "True", f"DataDrift={drifted.get('status')}  {drifted.get('message', '')}"

        wait("DataDrift", look)
    status = get("modeldeployment", "cancer")["status"]
    worst = status["drift"]["worstFeature"]
    if worst != "mean_radius":
        sys.exit(f"`mean radius` was shifted, and {worst} is named: {json.dumps(status['drift'], indent=2)}")
    wait("ACCURACY", labelled)
    say("  the Pipeline names this deployment in triggers.drift, so a run starts by itself:")
    wait("a run that drift has started", run_finished("cancer", before, "Drift"))


def labelled() -> tuple[bool, str]:
    """A look at a ModelDeployment until its labels have become numbers."""
    found = get("modeldeployment", "cancer").get("status", {}).get("performance", {})
    shown = "  ".join(f"{one['name']} {one['value']}" for one in found.get("metrics", []))
    return bool(shown), f"{found.get('labels', 0)} labels  {shown}"


def closing() -> None:
    """What there is now, and what to try next."""
    say("\n5. What there is now")
    say(kubectl("get", "pipelines,modeldeployments"))
    say("Try next (the cluster keeps running; `make demo-down` ends it):")
    text = io.StringIO()
    for line in (
        f"kubectl -n {NAMESPACE} describe modeldeployment cancer",
        f"kubectl -n {NAMESPACE} get pipeline cancer -o yaml      # history, metrics, champion",
        f"kubectl -n {NAMESPACE} annotate pipeline cancer ropewalk.dev/promote=VERSION   # promote what drift trained",
        "kubectl explain pipeline.spec.evaluate.metrics",
    ):
        text.write(f"  {line}\n")
    say(text.getvalue() + f"with KUBECONFIG={os.environ.get('KUBECONFIG', '')}")


def main() -> None:
    """Run the demonstration."""
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        set_up(directory)
        train_and_serve()
        ask(directory)
        drift(directory)
    closing()


if __name__ == "__main__":
    main()
