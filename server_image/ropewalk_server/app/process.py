"""`ropewalk-serve serve`: the process of a server pod, from the first poll of its routes to the last answer."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
import time

from ropewalk_contract import wire
from ropewalk_server import native
from ropewalk_server.app.access_log import TRACEPARENT
from ropewalk_server.app.admin_app import AdminApp, error
from ropewalk_server.app.grpc_app import GrpcApp
from ropewalk_server.app.http_app import AUTHORIZATION, HttpApp
from ropewalk_server.auth import token_review
from ropewalk_server.auth.credentials import Authenticator, Certificate, FeedbackKey, Tokens
from ropewalk_server.log import log, place
from ropewalk_server.protocols.common import rest_errors
from ropewalk_server.protocols.common.decoders import DECODERS
from ropewalk_server.protocols.openinference import rest
from ropewalk_server.serving.batch_policy import BatchPolicy
from ropewalk_server.serving.crashmarks import CrashMarks
from ropewalk_server.serving.engine_choice import RowsSeen
from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.serving.routes import RoutesFile
from ropewalk_server.serving.versions import Versions
from ropewalk_server.telemetry.feedback import Feedback
from ropewalk_server.telemetry.receipts import REQUEST, Receipts
from ropewalk_server.telemetry.recorder import Recorder
from ropewalk_server.transport.http1.server import HttpServer
from ropewalk_server.transport.http2.server import GrpcServer
from ropewalk_server.transport.limits import Limits

POLL_SECONDS = 0.2
AUTHENTICATIONS = ("None", "Token", "Kubernetes")
LEAVE_SECONDS = 3.0
"""Between SIGTERM and the last accepted connection: the time until no Service sends anything here any more."""
GRACE_SECONDS = 20.0
"""For what is in flight after that, or the deadline of a request where that is longer."""
LINGER_SECONDS = 5.0
"""For an operator to read the last counts, if one has been reading: once a second it does so then, and asks once more
when it has written them down. With the times above it is always within the pod's grace period."""

COLLECT = (50_000, 20, 100)
"""gc.set_threshold(): a request's objects go when it has been answered; only cycles need the collector, which would
walk over those of a large one again and again while it is parsed (4 MiB of empty lists: 260 ms in place of 100)."""


def authenticator(name: str) -> Authenticator | None:
    """The authenticator that the operator chose; None: every client is let in."""
    authentication = os.environ.get(wire.AUTHENTICATION_VARIABLE, AUTHENTICATIONS[0])
    if authentication == "Token":
        return Tokens(wire.root() / wire.TOKENS_FOLDER)
    if authentication == "Kubernetes":
        return token_review.from_environment(name, wire.root() / wire.IDENTITY_FOLDER)
    return None


class Server:
    """One process: its three ports, its versions and its windows."""

    def __init__(self, name: str, pod: str) -> None:
        self.routes_file = RoutesFile(wire.root() / wire.ROUTES_FOLDER / wire.ROUTES_FILE)
        self.versions = Versions(
            pod=pod, root=wire.root(), marks=CrashMarks(wire.root() / wire.STATE_FOLDER), decoders=DECODERS
        )
        given, wanted = os.environ.get(wire.FEEDBACK_KEY_VARIABLE, ""), bool(os.environ.get(wire.FEEDBACK_VARIABLE))
        self.feedback_key = FeedbackKey(wire.root() / wire.FEEDBACK_FOLDER, given=given.encode(), wanted=wanted)
        later = asyncio.get_running_loop().call_soon
        self.recorder = Recorder(later=later)
        self.receipts = Receipts(self.feedback_key.key)
        self.predictor = Predictor(name, self.versions, self.recorder, self.receipts)
        self.rows_seen = RowsSeen()
        self.draining = False
        self.authenticator = authenticator(name)
        secured = bool(os.environ.get(wire.TLS_VARIABLE))
        self.certificate = Certificate(wire.root() / wire.TLS_FOLDER) if secured else None
        self.grpc_certificate = Certificate(wire.root() / wire.TLS_FOLDER, protocols=["h2"]) if secured else None
        monitoring = AdminApp(self.predictor, self.recorder, pod, lambda: self.draining, self.unavailable_reason)
        service = HttpApp(self.predictor, Feedback(self.versions, self.recorder, self.receipts), self.authenticator)
        self.http = HttpServer(
            service.handle,
            rest_errors.error,
            together=service.together,
            keep=(AUTHORIZATION, TRACEPARENT, REQUEST, *rest.KEPT_HEADERS),
            admit=service.admit,
            rejected=self.predictor.reject,
        )
        calls = GrpcApp(self.predictor, self.authenticator, lambda: self.draining)
        self.grpc = GrpcServer(calls.handle, keep=(REQUEST,), admit=calls.admit, rejected=self.predictor.reject)
        self.monitoring = HttpServer(monitoring.handle, error)
        self._stop = asyncio.Event()

    def unavailable_reason(self) -> str:
        """The reason why this server answers nothing, whatever it has loaded; empty without one."""
        problems = [self.routes_file.error if self.versions.routes is None else "", self.feedback_key.problem]
        problems += [one.problem for one in (self.authenticator, self.certificate) if one is not None]
        return next((problem for problem in problems if problem), "")

    async def run(self, http_port: int, grpc_port: int, monitoring_port: int) -> None:
        """Serve until SIGTERM or SIGINT; no gRPC where its port is 0."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        self.follow()
        await self.monitoring.start(None, monitoring_port)
        await self.http.start(None, http_port, self.certificate.context if self.certificate else None)
        if grpc_port:
            await self.grpc.start(None, grpc_port, self.grpc_certificate.context if self.grpc_certificate else None)
        ports = {"port": http_port, "grpc_port": grpc_port, "monitoring_port": monitoring_port}
        log("info", "serving", model=self.predictor.name, **ports)
        following = loop.create_task(self._follow())
        await self._stop.wait()
        grace = max(GRACE_SECONDS, self.predictor.limits.deadline_seconds)
        log("info", "stopping", grace_seconds=grace)
        self.draining = True
        self.http.leave()
        self.grpc.leave()
        await asyncio.sleep(float(os.environ.get("ROPEWALK_LEAVE_SECONDS", LEAVE_SECONDS)))
        following.cancel()
        await asyncio.gather(self.http.stop(grace_seconds=grace), self.grpc.stop(grace_seconds=grace))
        self.recorder.finish()
        await self._until_read()
        await self.monitoring.stop(grace_seconds=1.0)
        self.versions.stop()
        self.predictor.stop()
        if self.authenticator is not None:
            self.authenticator.close()

    async def _until_read(self) -> None:
        until = time.monotonic() + LINGER_SECONDS
        while self.recorder.unread and time.monotonic() < until:
            await asyncio.sleep(0.02)

    def follow(self) -> None:
        """Take new routes if there are any, start what is due, close windows that ended."""
        routes = self.routes_file.poll()
        if routes is not None:
            log("info", "routes", revision=routes.revision, live=routes.live, pilot=routes.pilot)
            self.predictor.limits = self.http.limits = self.grpc.limits = Limits.of(routes.limits)
            self.predictor.batch_as(BatchPolicy.of(routes.batching))
            self.recorder.follow(routes.bucket_seconds)
            self.versions.follow(routes)
        self.versions.tick()
        self.recorder.tick()
        self.prefer_engine()
        self.feedback_key.poll()
        self.receipts.renew(self.feedback_key.key)
        for credentials in (self.authenticator, self.certificate, self.grpc_certificate):
            if credentials is not None:
                credentials.poll()

    def prefer_engine(self) -> None:
        """Let the engine suit the size of the requests that came."""
        live = self.versions.live
        totals = None if live is None else self.recorder.totals.get(live)
        if live is not None and totals is not None:
            rows = self.rows_seen.average(live, sum(totals.latency), totals.rows)
            if rows is not None:
                self.versions.prefer(rows)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                self.follow()
            except Exception as error:  # a round that fails must not be the last one
                log("error", "routes could not be followed", error=place(error))


def main() -> int:
    """Run the server; 0 after an orderly stop."""
    import uvloop

    name = os.environ.get(wire.MODEL_VARIABLE, "")
    if not name:
        log("error", f"{wire.MODEL_VARIABLE} is not set: it names the model in /v1/models/NAME")
        return wire.EXIT_USER
    if native.load() is None:
        log("warning", "native.so was not built for this processor: requests of many numbers take five times as long")
    authentication = os.environ.get(wire.AUTHENTICATION_VARIABLE, AUTHENTICATIONS[0])
    if authentication not in AUTHENTICATIONS:  # an older server must not let everybody in
        log("error", f"{wire.AUTHENTICATION_VARIABLE} is {authentication!r}, not one of {', '.join(AUTHENTICATIONS)}")
        return wire.EXIT_USER
    pod = os.environ.get(wire.POD_VARIABLE) or socket.gethostname()
    http_port = int(os.environ.get(wire.HTTP_PORT_VARIABLE, wire.HTTP_PORT))
    grpc_port = int(os.environ.get(wire.GRPC_PORT_VARIABLE, wire.GRPC_PORT))
    monitoring_port = int(os.environ.get(wire.ADMIN_PORT_VARIABLE, wire.ADMIN_PORT))

    async def serve() -> None:
        await Server(name, pod).run(http_port, grpc_port, monitoring_port)

    gc.set_threshold(*COLLECT)
    # Beside a thread that reads a large request, each turn of the loop waits this long for the interpreter.
    sys.setswitchinterval(0.0005)
    uvloop.run(serve())
    return 0
