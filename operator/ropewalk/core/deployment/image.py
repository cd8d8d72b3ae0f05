"""The image that the servers run: the pinned one until it is this deployment's turn to take the operator's (D15).

A new operator changes nothing by itself: deployments move a few at a time, in the order of their names, and no
further one while those that moved have not all come up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ropewalk_contract.api import conditions as api
from ropewalk_contract.api.modeldeployment import ModelDeployment

from ..conditions import find
from ..plan import Config, Json, Observed, Peers
from .observe.pods import Pod
from .situation import Situation
from .target import Target
from .versions import get

AT_A_TIME = 3
TENSORFLOW = "TensorFlow"
NO_TENSORFLOW_IMAGE = api.NO_TENSORFLOW_IMAGE


@dataclass(frozen=True, slots=True)
class Choice:
    """The image to run from now on, the reason of a wait for another one, and the version that the image can serve."""

    image: str
    target: Target
    waiting: str = ""


def choose(situation: Situation, aim: Target) -> Choice:
    """The image. A lost status is recovered from the Deployment; another flavour of today's image is no upgrade, and
    neither is a better image for pods that never answered."""
    config, state = situation.config, situation.state
    tensorflow = _needs_tensorflow(situation, aim)
    today = config.server_tf_image if tensorflow and config.server_tf_image else config.server_image
    target = _held_back(situation, aim) if tensorflow else aim
    pinned = state.server_image
    if not pinned:
        return Choice(image_of(situation.deployment) or today, target)
    if pinned in config.server_images or not (state.live or any(pod.ready for pod in situation.pods)):
        return Choice(today, target)
    turn = _turn(situation.resource, situation.observed)
    return Choice(today, target) if turn == "" else Choice(pinned, target, f"the server image {today} waits: {turn}")


def _needs_tensorflow(situation: Situation, aim: Target) -> bool:
    """True where the spec, the wanted version or the one that answers has no other engine than TensorFlow."""
    engine, live = situation.resource.spec.serving.engine, situation.state.live
    if engine != "Auto":
        return engine == TENSORFLOW
    return aim.engines == (TENSORFLOW,) or (live is not None and live.engine == TENSORFLOW)


def _held_back(situation: Situation, aim: Target) -> Target:
    """The target, or why it is not tried yet: no pod may load what only another flavour of the image can."""
    config = situation.config
    if not config.server_tf_image:
        text = "only the engine TensorFlow can serve this; start the operator with --server-tf-image"
        return Target(None, NO_TENSORFLOW_IMAGE, text, final=True)
    if any(pod.running and pod.image not in ("", config.server_tf_image) for pod in situation.pods):
        return Target(None, api.PROGRESSING, "pods with TensorFlow are starting")
    return aim


def moving(pods: Iterable[Pod], image: str) -> bool:
    """True while some pods run another image than the chosen one."""
    return any(pod.image not in ("", image) and not pod.deleting for pod in pods)


def image_of(deployment: Json | None) -> str:
    """The image in a Deployment's pod template."""
    containers = list(get(deployment, "spec", "template", "spec", "containers") or ())
    return str(get(containers[0], "image") or "") if containers else ""


def peers(owner: Json, config: Config) -> Peers | None:
    """All deployments everywhere, while this one runs another image than the operator has."""
    pinned = get(owner, "status", "serverImage")
    return Peers("ModelDeployment", everywhere=True) if pinned and pinned not in config.server_images else None


def _turn(resource: ModelDeployment, observed: Observed) -> str:
    """Why it is not this deployment's turn to move; empty if it is."""
    if observed.peers is None:
        return "the other ModelDeployments could not be read"
    today = observed.config.server_images
    moved = [peer for peer in observed.peers if get(peer, "status", "serverImage") in today]
    unsettled = [_name(peer) for peer in moved if not _settled(peer)]
    behind = sorted(
        _name(peer)
        for peer in observed.peers
        if get(peer, "status", "live") and get(peer, "status", "serverImage") not in today and _moves(peer)
    )
    me = f"{resource.metadata.namespace}/{resource.metadata.name}"
    before_me = behind.index(me) if me in behind else len(behind)
    if len(unsettled) + before_me < AT_A_TIME:
        return ""
    return f"{sorted(unsettled)[0]} runs it and is not Ready yet" if unsettled else "others are before it"


def _moves(peer: Json) -> bool:
    """True if its turn can come: it is neither being deleted nor stalled by a spec that cannot be honoured."""
    stalled = find(get(peer, "status", "conditions"), api.STALLED)
    return not get(peer, "metadata", "deletionTimestamp") and get(stalled, "reason") != api.INVALID_SPEC


def _settled(peer: Json) -> bool:
    """True if it is ready on its image, never answered at all, or is to have no pods: others need not wait for it."""
    conditions = get(peer, "status", "conditions") or ()
    reconciling, ready = find(conditions, api.RECONCILING), find(conditions, api.READY)
    if reconciling is not None and reconciling.get("reason") == api.UPGRADING:
        return False
    if get(ready, "status") == "True" or get(ready, "reason") == api.SCALED_TO_ZERO:
        return True
    return not get(peer, "status", "live")


def _name(peer: Json) -> str:
    return f"{get(peer, 'metadata', 'namespace')}/{get(peer, 'metadata', 'name')}"
