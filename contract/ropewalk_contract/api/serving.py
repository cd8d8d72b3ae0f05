"""How the pods of a ModelDeployment serve (`spec.serving`): what computes, who may ask, how much is taken on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ropewalk_contract.api.common import Duration, Labels, Model, ObjectName, Quantity, Resources, Tolerations
from ropewalk_contract.api.markers import Rule


class Limits(Model):
    """What one server takes on; beyond it a request gets a clear refusal instead of a slow death."""

    rules = (
        Rule(
            rule="duration(self.deadline) >= duration('1s') && duration(self.deadline) <= duration('1h')",
            message="deadline has at least 1s and at most 1h",
        ),
        Rule(
            rule="quantity(string(self.maxBodyBytes)).isInteger() && "
            "quantity(string(self.maxBodyBytes)).compareTo(quantity('1Ki')) >= 0 && "
            "quantity(string(self.maxBodyBytes)).compareTo(quantity('1Gi')) <= 0",
            message="maxBodyBytes is a whole number of bytes from 1Ki to 1Gi",
        ),
    )

    max_body_bytes: Quantity = "4Mi"
    """Longest body of a request; a longer one gets 413."""
    max_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Most rows of a request; more get 413."""
    deadline: Duration = "30s"
    """Longest time that a request may take; a longer one gets 504."""
    max_concurrency: Annotated[int, Field(ge=1, le=100_000)] = 256
    """Most requests at one time in one pod; further ones get 429."""


class Batching(Model):
    """Which requests a pod computes in one call of the engine. A change reaches pods without a restart."""

    rules = (
        Rule(
            rule="self.type == 'Bounded' || (!has(self.maxRows) && !has(self.maxDelay))",
            message="maxRows and maxDelay are for type Bounded",
        ),
        Rule(
            rule="!has(self.maxDelay) || duration(self.maxDelay) <= duration('500ms')",
            message="maxDelay is at most 500ms, half of the shortest deadline",
        ),
    )

    type: Literal["Auto", "Off", "Bounded"] = "Auto"
    """Auto: requests that have come in one turn of the server's loop, or while the engine was busy, where that makes it
    faster; none waits for others.
    "Off": every request is a call of its own; in quotes, since YAML reads a bare Off as false.
    Bounded: as maxRows and maxDelay say, whatever the engine gains by it."""
    max_rows: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Most rows of requests in one call (256 if absent). A request of more rows is a call of its own."""
    max_delay: Duration | None = None
    """Longest time that a request waits for others while the engine is free (absent: it does not wait)."""


class Authentication(Model):
    """Who may ask for predictions."""

    rules = (
        Rule(
            rule="(self.type == 'Token') == has(self.secret)",
            message="type Token needs secret, the name of a Secret whose values are the tokens; other types have none",
        ),
        Rule(
            rule="self.type == 'Kubernetes' || !has(self.audience)",
            message="audience is for type Kubernetes: whom its tokens are for",
        ),
    )

    type: Literal["None", "Token", "Kubernetes"] = "None"
    """None: whoever reaches the Service.
    Token: who sends `Authorization: Bearer TOKEN` with a token of the Secret. Anybody else gets 401.
    Kubernetes: who sends a token of the cluster's (of a ServiceAccount, say) and may `create` this object's subresource
    `predict`, which the ClusterRole ropewalk-predict allows. Others get 401 or 403. Needs spec.serviceAccountName, an
    account bound to the ClusterRole system:auth-delegator."""
    secret: ObjectName | None = None
    """A Secret of this namespace. Each of its values is a token, so that an old and a new one may overlap."""
    audience: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """The audience that tokens must be made for, so that nobody who sees one can use it against the API server.
    Absent: the API server's own, which tokens have that are mounted into pods by default."""


class TLS(Model):
    """Encrypts the port for predictions. Pods take a renewed certificate without a restart."""

    secret: ObjectName
    """A Secret of type kubernetes.io/tls of this namespace, with a certificate for NAME.NAMESPACE.svc."""


class Serving(Model):
    """How the pods serve."""

    engine: Literal["Auto", "LiteRT", "OpenVINO", "ONNXRuntime", "TensorFlow"] = "Auto"
    """What computes predictions.
    Auto: the fastest of those that were proved equal to the model when it was published.
    LiteRT, OpenVINO, ONNXRuntime: this one; a version that was not proved on it is not loaded (NoEngine).
    TensorFlow: the model itself, in an image of its own that has TensorFlow (larger, slower)."""
    authentication: Authentication = Authentication()
    """Who may ask for predictions."""
    tls: TLS | None = None
    """Encrypts the port for predictions."""
    batching: Batching = Batching()
    """Which requests are computed together."""
    limits: Limits = Limits()
    """What one server takes on."""
    resources: Resources | None = None
    """Compute resources of a pod."""
    node_selector: Labels | None = None
    """Labels of the nodes where pods may go."""
    tolerations: Tolerations = ()
    """Taints of nodes that pods tolerate."""
