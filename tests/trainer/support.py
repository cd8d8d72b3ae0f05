"""Runs outside a pod: a directory in place of the pod's volumes, run.json as the operator writes it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ropewalk.core.pipeline.parts.planner import spec_document
from ropewalk_contract.api.pipeline import PipelineSpec
from ropewalk_model.manifest import Manifest, verify
from ropewalk_trainer import main

EXAMPLES = Path(__file__).parents[2] / "examples"
MESSAGE_LIMIT = 2048


def example(name: str) -> dict[str, Any]:
    """The spec of an example's Pipeline."""
    manifest = yaml.safe_load((EXAMPLES / name / "pipeline.yaml").read_text())
    spec: dict[str, Any] = manifest["spec"]
    return spec


@dataclass(frozen=True)
class Result:
    """What a run left behind."""

    code: int
    message: dict[str, Any]
    publish: dict[str, Any] | None
    directory: Path

    @property
    def reason(self) -> str:
        """Why it failed or gave no version; empty if it succeeded."""
        return str(self.message.get("reason") or "")

    @property
    def record(self) -> dict[str, Any]:
        """record.json in the store."""
        found: dict[str, Any] = json.loads((self.directory / "record.json").read_text())
        return found

    @property
    def states(self) -> dict[str, str]:
        """State by stage."""
        return {row[0]: row[1] for row in self.message["stages"]}

    def candidate(self) -> Manifest:
        """The candidate, every file verified."""
        assert self.publish is not None
        assert "candidate" in self.publish, self.publish
        return verify(Path(self.publish["candidate"]))


class Pod:
    """The volumes of a run's pod under a directory: claims `data` and `models`."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root = root
        for name in ("claims/data", "claims/models", "run"):
            (root / name).mkdir(parents=True)
        patch.setenv("ROPEWALK_ROOT", str(root))
        patch.setenv("ROPEWALK_TERMINATION_LOG", str(root / "termination-log"))
        patch.setenv("ROPEWALK_PROGRESS_PORT", "0")
        self._patch = patch

    def write(self, path: str, content: str | bytes) -> None:
        """A file of the source."""
        target = self.root / "claims" / "data" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)

    def prepare(
        self,
        spec: dict[str, Any],
        *,
        run: int = 1,
        champion: dict[str, Any] | None = None,
        trigger: str = "Manual",
        uid: str = "u-1",
    ) -> None:
        """Write run.json; the spec passes the API's own model, which fills in the defaults."""
        document = {
            "formatVersion": 1,
            "namespace": "ns",
            "pipeline": "p",
            "pipelineUid": uid,
            "runId": run,
            "generation": 1,
            "trigger": {"type": trigger, "reason": ""},
            "spec": spec_document(PipelineSpec.model_validate(spec)),
            "champion": champion,
        }
        (self.root / "run" / "run.json").write_text(json.dumps(document))

    def run(self, spec: dict[str, Any], *, run: int = 1, attempt: int = 1, **changes: Any) -> Result:
        """One attempt of a run in this process."""
        self.prepare(spec, run=run, **changes)
        self._patch.setenv("ROPEWALK_ATTEMPT", str(attempt))
        for left in (self.root / "work" / "publish.json", self.root / "termination-log"):
            left.unlink(missing_ok=True)
        code = main.main(["run"])
        return self.result(code, run)

    def result(self, code: int, run: int = 1) -> Result:
        """Read what a run left behind."""
        message = (self.root / "termination-log").read_bytes()
        assert len(message) <= MESSAGE_LIMIT
        publish = self.root / "work" / "publish.json"
        return Result(
            code=code,
            message=json.loads(message),
            publish=json.loads(publish.read_text()) if publish.exists() else None,
            directory=self.root / "claims" / "models" / "ropewalk" / "ns" / "p" / "runs" / str(run),
        )

    def promote(self, result: Result, version: int) -> dict[str, Any]:
        """What the smoke test and the operator do: the candidate becomes a version and champion."""
        assert result.publish is not None
        candidate = result.candidate()
        models = Path(result.publish["models"])
        Path(result.publish["candidate"]).rename(models / str(version))
        return {
            "version": version,
            "uri": f"{result.publish['uri']}/{version}",
            "digest": candidate.model_digest,
            "dataFingerprint": result.message["dataFingerprint"],
        }
