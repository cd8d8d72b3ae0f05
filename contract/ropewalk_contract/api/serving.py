"""ModelDeployment.spec.serving: engine, authentication, TLS, batching and limits of the pods."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ropewalk_contract.api.common import Duration, Labels, Model, ObjectName, Quantity, Resources, Tolerations
from ropewalk_contract.api.markers import Rule


class Limits(Model):
    """Limits of one pod. A request beyond them is refused with an error."""

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
    """Largest body of a request; a larger one gets 413."""
    max_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Largest number of rows of a request; more get 413."""
    deadline: Duration = "30s"
    """Longest time for a request; a request that takes longer gets 504."""
    max_concurrency: Annotated[int, Field(ge=1, le=100_000)] = 256
    """Largest number of requests at one time in one pod; further ones get 429."""


class Batching(Model):
    """Joint computation of requests in one call of the engine. A change needs no restart of the pods."""

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
    """Auto: requests that arrive at the same time, or while the engine is busy, are computed in one call if that is
    faster. No request waits for others.
    "Off": every request is a call of its own. Write it in quotes, since YAML reads a bare Off as false.
    Bounded: as maxRows and maxDelay say, also where it is not faster."""
    max_rows: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Largest number of rows in one call (256 if absent). A request with more rows is a call of its own."""
    max_delay: Duration | None = None
    """Longest time that a request waits for others while the engine is free. Absent: no wait."""


class Authentication(Model):
    """Authentication of requests for predictions."""

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
    """None: every request is answered.
    Token: requests with `Authorization: Bearer TOKEN` and a token of the Secret. Others get 401.
    Kubernetes: requests with a token of the cluster (of a ServiceAccount, for instance) whose owner may `create` the
    subresource `predict` of this object. The ClusterRole ropewalk-predict allows that. Others get 401 or 403. Needs
    spec.serviceAccountName, an account bound to the ClusterRole system:auth-delegator."""
    secret: ObjectName | None = None
    """A Secret of this namespace. Each value is a token, so that an old and a new token can be valid together."""
    audience: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """The audience of the tokens. A token with an audience of its own cannot be used for the API server.
    Absent: the audience of the API server, which tokens have that are mounted into pods by default."""


class TLS(Model):
    """Encryption of the ports for predictions. A renewed certificate needs no restart of the pods."""

    secret: ObjectName
    """A Secret of this namespace of type kubernetes.io/tls, with a certificate for NAME.NAMESPACE.svc."""


class Serving(Model):
    """Settings of the pods that answer predictions."""

    engine: Literal["Auto", "LiteRT", "OpenVINO", "ONNXRuntime", "TensorFlow"] = "Auto"
    """The engine that computes predictions.
    Auto: the fastest engine that was proved equal to the model when it was published.
    LiteRT, OpenVINO, ONNXRuntime: this engine. A version that was not proved on it is not loaded (NoEngine).
    TensorFlow: the model itself, in another image that contains TensorFlow (larger, slower)."""
    authentication: Authentication = Authentication()
    """Authentication of requests for predictions."""
    tls: TLS | None = None
    """Encryption of the ports for predictions."""
    batching: Batching = Batching()
    """Joint computation of requests."""
    limits: Limits = Limits()
    """Limits of one pod."""
    resources: Resources | None = None
    """Compute resources of a pod."""
    node_selector: Labels | None = None
    """Labels of the nodes for the pods."""
    tolerations: Tolerations = ()
    """Taints of nodes that the pods tolerate."""
