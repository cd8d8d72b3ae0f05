"""What a decision is: the values that pass between the pure core and the shell.

The core turns one `Observed` and a point in time into one `Plan`; the shell reads the first and carries out the
second. Nothing in `ropewalk.core` does I/O, reads a clock or draws a random number, so that every decision can be
replayed from what was seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

Json = Mapping[str, Any]
MANAGER = "ropewalk"
"""The field manager of what is applied."""


@dataclass(frozen=True, slots=True)
class Ref:
    """Names one object of the cluster, always in the namespace of the resource that is reconciled (D12)."""

    api_version: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Apply:
    """Server-side apply of the whole intent, forced. Never of an object that another controller, or none, has."""

    body: Json
    manager: str = MANAGER


@dataclass(frozen=True, slots=True)
class Create:
    """POST under a deterministic name. An existing object with the same controller uid counts as done;
    one with another controller fails the reconcile with `Conflict`."""

    body: Json


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete with a uid precondition, background propagation; an absent object counts as done."""

    ref: Ref
    uid: str


@dataclass(frozen=True, slots=True)
class Annotate:
    """Set one annotation of a pod (the nudge that makes kubelet sync its volumes)."""

    ref: Ref
    uid: str
    key: str
    value: str


Effect = Apply | Create | Delete | Annotate


@dataclass(frozen=True, slots=True)
class Event:
    """An Event on the reconciled resource; equal events are aggregated by the shell."""

    type: str
    """`Normal` or `Warning`."""
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Requeue:
    """A pass without any event: in `seconds`, and the reason for the log (`why`, a few words)."""

    seconds: float
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now. Effects run in order, then status is written once (only if it differs), then Events.

    A plan that records an intent (a run id, a route revision) has no effects and a requeue in 0 seconds; the effects
    follow in the next pass, when the intent is known to be stored (D2).
    """

    effects: tuple[Effect, ...] = ()
    status: Json | None = None
    """The whole desired status; None leaves it as it is."""
    events: tuple[Event, ...] = ()
    requeue: tuple[Requeue, ...] = ()
    """Reasons for a pass without any event; the earliest counts. Empty: only events and the resync."""
    asserts_children: bool = False
    """Whether every child was compared with what it should be: the effects are all that was amiss."""

    @property
    def next(self) -> Requeue | None:
        """The earliest requeue."""
        return min(self.requeue, key=lambda one: one.seconds, default=None)

    @property
    def requeue_after(self) -> float | None:
        """Seconds until the earliest requeue; None without any."""
        return self.next.seconds if self.next is not None else None


@dataclass(frozen=True, slots=True)
class ScrapeRequest:
    """One HTTP GET of a pod of ours: `http://<pod ip>:<port><path>`."""

    pod: str
    ip: str
    port: int
    path: str


@dataclass(frozen=True, slots=True)
class Scraped:
    """The answer to a ScrapeRequest: a bounded JSON body, or why there is none (Unknown, never zero)."""

    body: Json | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Config:
    """What the operator's own installation decides: the images it starts, by reference."""

    trainer_image: str
    server_image: str
    operator_namespace: str = "ropewalk-system"
    server_tf_image: str = ""
    """The server with TensorFlow, for models that no compiled engine takes; empty: there is none."""

    @property
    def server_images(self) -> frozenset[str]:
        """Both flavours of the server's image."""
        return frozenset({self.server_image, self.server_tf_image} - {""})


@dataclass(frozen=True, slots=True)
class Peers:
    """Other resources of ours that a decision has to know: all of a kind, in the owner's namespace or everywhere."""

    kind: str
    everywhere: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that a decision may rest on, read after the trigger by GET and LIST."""

    owner: Json
    """The Pipeline or ModelDeployment as the API server returned it."""
    config: Config
    children: tuple[Json, ...] = ()
    """Objects with the owner's label: Job, ConfigMap, Deployment, Pod, ..., each with apiVersion and kind set."""
    unknown: frozenset[str] = frozenset()
    """Kinds whose LIST failed: absence of a child of such a kind says nothing."""
    related: Mapping[Ref, Json | None] = field(default_factory=dict)
    """Other objects that the core asked for; None: read and absent; missing key: the read failed."""
    scrapes: Mapping[tuple[str, str], Scraped] = field(default_factory=dict)
    """By (pod name, path)."""
    peers: tuple[Json, ...] | None = ()
    """The resources that `Peers` asked for, the owner included; None: they could not be read."""


class Case(Protocol):
    """One pass over one resource, made of the resource as it was read: its spec and status are parsed once."""

    def related(self) -> tuple[Ref, ...]:
        """Other objects that the decision needs."""

    def peers(self) -> Peers | None:
        """Other resources that the decision needs."""

    def scrapes(self, children: tuple[Json, ...]) -> tuple[ScrapeRequest, ...]:
        """GETs of pods that the decision needs."""

    def plan(self, observed: Observed, now: datetime) -> Plan:
        """The decision. `observed.owner` is the resource that the case was made of."""
