"""Manifests that the API server must accept: together they use every field of both specs."""

from __future__ import annotations

from typing import Any

Manifest = dict[str, Any]
RESOURCES = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "2Gi", "cpu": 2}}
NODES = {
    "nodeSelector": {"pool": "cpu"},
    "tolerations": [
        {"key": "batch", "operator": "Equal", "value": "yes", "effect": "NoExecute", "tolerationSeconds": 60}
    ],
}


def manifest(kind: str, name: str, spec: Manifest) -> Manifest:
    return {"apiVersion": "ropewalk.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def pipeline() -> Manifest:
    """Classification on a table, with every field that does not exclude another."""
    spec = {
        "suspend": True,
        "artifacts": {"uri": "pvc://models/ropewalk", "keep": {"runs": 20, "versions": 4}},
        "source": {
            "uri": "pvc://data/churn/*.parquet",
            "format": "Parquet",
            "split": {"by": "Hash", "key": "customer id", "evaluatePercent": 10, "testPercent": 20},
        },
        "schema": {
            "label": {
                "name": "churned",
                "column": "Churned?",
                "type": "Category",
                "positive": "y",
                "classes": ["n", "y"],
            },
            "features": [
                {"name": "age", "column": "Age (years)", "type": "Number", "min": "0", "max": "1.2e2"},
                {"name": "visits", "type": "Integer", "optional": True, "min": "-1"},
                {"name": "member", "type": "Boolean"},
                {"name": "plan", "type": "Category", "values": ["free", "pro"], "sensitive": True},
            ],
        },
        "validate": {
            "rows": {"min": 100, "maxChangeFromPrevious": "0.5"},
            "onAnomaly": "Warn",
            "exceptions": [{"anomaly": "NewColumn", "action": "Fail"}],
        },
        "train": {
            "template": "Tabular",
            "hyperparameters": [{"name": "epochs", "value": "30"}, {"name": "hidden", "value": "64,32"}],
            "earlyStopping": {"metric": "val_accuracy", "patience": 3},
            "seed": 7,
            "resources": RESOURCES,
            "image": "registry.example:5000/team/trainer@sha256:" + "0" * 64,
            **NODES,
        },
        "evaluate": {
            "metrics": [
                {"name": "accuracy", "min": "0.90", "maxRegression": "0.01"},
                {"name": "recall", "min": "0.8", "average": "Positive"},
                {"name": "logLoss", "max": "0.5", "minImprovement": "0"},
            ],
            "whenInconclusive": "Promote",
            "whenNoBaseline": "Fail",
        },
        "smokeTest": {"examples": 20, "maxLatencyP95": "20ms"},
        "promotion": "Manual",
        "triggers": {
            "onSpecChange": False,
            "schedule": {"cron": "0 2 * * 1-5", "timeZone": "Europe/Berlin", "startingDeadline": "1h30m"},
            "drift": {"modelDeployments": ["churn"], "cooldown": "6h", "maxPerDay": 3, "promotion": "Automatic"},
        },
        "concurrencyPolicy": "Forbid",
        "stopAfterFailures": 5,
        "retry": {
            "limit": 1,
            "backoff": "10s",
            "maxBackoff": "1m",
            "onOutOfMemory": {"factor": "2", "max": "4Gi"},
            "disruptions": 3,
        },
        "timeouts": {"startup": "5m", "run": "2h"},
        "resources": RESOURCES,
    }
    return manifest("Pipeline", "churn", spec)


def short_pipeline() -> Manifest:
    """Nothing but what is required: regression on a key of a ConfigMap."""
    spec = {
        "artifacts": {"uri": "pvc://models"},
        "source": {"uri": "configmap://houses/houses.csv", "format": "CSV"},
        "schema": {
            "label": {"name": "price", "type": "Number"},
            "features": [{"name": "rooms", "type": "Integer"}],
        },
        "train": {"template": "Tabular"},
    }
    return manifest("Pipeline", "houses", spec)


def image_pipeline() -> Manifest:
    """Images in one folder a class, the newest of which test."""
    spec = {
        "artifacts": {"uri": "pvc://models/ropewalk"},
        "source": {
            "uri": "pvc://data/cats",
            "format": "ImageFolder",
            "split": {"by": "Time", "column": "taken", "testPercent": 20},
        },
        "schema": {
            "label": {"name": "animal", "type": "Category"},
            "features": [{"name": "photo", "type": "Image", "shape": [64, 64, 3]}],
        },
        "train": {"template": "Image"},
    }
    return manifest("Pipeline", "cats", spec)


def text_pipeline() -> Manifest:
    """Texts and times, one of them with every field that is theirs."""
    spec = {
        "artifacts": {"uri": "pvc://models/ropewalk"},
        "source": {"uri": "pvc://data/feedback/*.jsonl", "format": "JSONLines"},
        "schema": {
            "label": {"name": "verdict", "type": "Category"},
            "features": [
                {"name": "sent", "type": "Timestamp", "optional": True},
                {
                    "name": "comment",
                    "type": "Text",
                    "maxVocabulary": 100_000,
                    "maxTokens": 1000,
                    "optional": True,
                    "sensitive": True,
                },
            ],
        },
        "train": {"template": "Text", "hyperparameters": [{"name": "embedding", "value": "16"}]},
    }
    return manifest("Pipeline", "feedback", spec)


def deployment() -> Manifest:
    """A pinned version with every field."""
    spec = {
        "model": {"pipeline": "churn", "version": 7},
        "replicas": 0,
        "autoscaling": {"minReplicas": 1, "maxReplicas": 10, "targetCPUPercent": 60},
        "serviceAccountName": "churn-server",
        "imagePullSecrets": [{"name": "registry"}],
        "serving": {
            "engine": "LiteRT",
            "authentication": {"type": "Token", "secret": "churn-tokens"},
            "tls": {"secret": "churn-tls"},
            "batching": {"type": "Bounded", "maxRows": 64, "maxDelay": "2ms"},
            "limits": {"maxBodyBytes": "8Mi", "maxRows": 5000, "deadline": "10s", "maxConcurrency": 64},
            "resources": RESOURCES,
            **NODES,
        },
        "monitor": {
            "window": "1h",
            "minSamples": 500,
            "minRequests": 50,
            "drift": {"metric": "PSI", "threshold": "0.25", "consecutiveWindows": 3, "features": ["age", "plan"]},
            "performance": {"window": "7d", "minLabels": 100},
            "feedback": {"secret": "churn-feedback"},
        },
    }
    return manifest("ModelDeployment", "churn", spec)


def imported_deployment() -> Manifest:
    """A model at a uri, proved by its digest, for those whom the API server lets."""
    model = {"uri": "pvc://models/imported/3", "digest": "sha256:" + "a" * 64}
    serving = {"authentication": {"type": "Kubernetes", "audience": "imported.models.svc"}}
    spec = {"model": model, "serviceAccountName": "reviewer", "serving": serving}
    return manifest("ModelDeployment", "imported", spec)


ALL = (pipeline, short_pipeline, image_pipeline, text_pipeline, deployment, imported_deployment)
