"""The access log of a real server, and the trace context that callers send."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2

from ropewalk_server.app.access_log import ERRORS, AccessLog, trace_of
from tests.server.conftest import Published, Server, row
from tests.server.grpc_clients import connected, request

TRACE = "0af7651916cd43dd8448eb211c80319c"
SENT = f"00-{TRACE}-b7ad6b7169203331-01"


def lines(server: Server) -> list[dict[str, Any]]:
    """Lines of the access log so far."""
    found = [json.loads(line) for line in server.log().splitlines() if line.startswith("{")]
    return [one for one in found if one["message"] == "request"]


def ask(server: Server, path: str, traceparent: str) -> str | None:
    """The answer's traceresponse."""
    request = urllib.request.Request(f"http://127.0.0.1:{server.ports[0]}{path}", headers={"traceparent": traceparent})
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: str | None = answer.headers["traceresponse"]
        return found


def test_requests_are_written_without_what_they_carried(serving: Server) -> None:
    """Path, status and sizes; the query and the body may hold what nobody else should read."""
    serving.until(lambda: serving.get("/v1/models/cancer?secret=1")[0] == 200 and bool(lines(serving)))
    line = lines(serving)[-1]
    assert (line["method"], line["path"], line["status"], line["protocol"]) == ("GET", "/v1/models/cancer", 200, "REST")
    assert line["answer_bytes"] > 0
    assert 0 <= line["seconds"] < 10
    assert serving.predict(row(mean_radius=123.456))[0] == 200
    assert "123.456" not in serving.log()
    assert "secret" not in serving.log()


def test_a_callers_trace_is_logged_and_answered(serving: Server) -> None:
    """Every request that bears one gets it back; the line of an error names it."""
    answered = ask(serving, "/v1/models/cancer", SENT)
    assert answered is not None
    assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-00", answered)
    assert answered[36:52] != SENT[36:52]
    assert ask(serving, "/v1/models/cancer", "00-" + "0" * 32 + "-b7ad6b7169203331-01") is None
    with pytest.raises(urllib.error.HTTPError):
        ask(serving, "/v1/models/other", SENT)
    assert [one["trace_id"] for one in lines(serving) if one["status"] == 404] == [TRACE]


def test_grpc_calls_too(serving: Server) -> None:
    """Their code stands in the line, the trace in the reply's metadata."""
    with connected(serving) as client:
        call = client.raw("/tensorflow.serving.PredictionService/Nothing")
        with pytest.raises(grpc.RpcError) as failed:
            call(b"", metadata=[("traceparent", SENT)], timeout=10)
    metadata = {**dict(failed.value.initial_metadata() or ()), **dict(failed.value.trailing_metadata() or ())}
    assert metadata["traceresponse"].startswith(f"00-{TRACE}-")
    [line] = [one for one in lines(serving) if one["protocol"] == "gRPC"]
    assert (line["code"], line["trace_id"]) == ("UNIMPLEMENTED", TRACE)


def test_predictions_over_grpc_bear_their_trace_and_none_of_their_values(server: Server, published: Published) -> None:
    """In both protocols: the id stands in the line of the call, the reply goes on with it, and no value is written."""
    server.tell(1, published[1][:1])
    server.start()
    server.until(lambda: server.get("/readyz", monitoring=True)[0] == 200)
    told = {name: np.array([12345.678], np.float32) for name in row()}
    infer = service_pb2.ModelInferRequest(model_name="cancer")
    for name, values in told.items():
        one = infer.inputs.add(name=name, datatype="FP32", shape=[1])
        one.contents.fp32_contents.extend(values.tolist())
    messages = {
        "/tensorflow.serving.PredictionService/Predict": request(told).SerializeToString(),
        "/inference.GRPCInferenceService/ModelInfer": infer.SerializeToString(),
    }
    with connected(server) as client:
        for number, (path, message) in enumerate(messages.items()):
            trace = TRACE[:-1] + str(number)

            def written(path: str = path, message: bytes = message, trace: str = trace) -> bool:
                """Whether it was this call's turn to be written: one of those that go well is, each second."""
                _, call = client.raw(path).with_call(message, metadata=[("traceparent", SENT.replace(TRACE, trace))])
                answered = {**dict(call.initial_metadata()), **dict(call.trailing_metadata())}["traceresponse"]
                assert re.fullmatch(rf"00-{trace}-[0-9a-f]{{16}}-00", answered)
                return any(one.get("trace_id") == trace for one in lines(server))

            server.until(written)
            [line] = [one for one in lines(server) if one.get("trace_id") == trace]
            assert (line["protocol"], line["code"], line["path"]) == ("gRPC", "OK", path)
            assert line["request_bytes"] == len(message)
    for said in ("12345", "mean_radius", "malignant"):
        assert said not in server.log()


def test_the_log_is_bounded_and_tells_what_it_left_out() -> None:
    """A second's first success and first errors; the next line counts the others."""
    now = 100.0
    written: list[dict[str, Any]] = []
    log = AccessLog(clock=lambda: now, write=lambda level, message, **fields: written.append(fields))
    for _ in range(50):
        for due in (log.went_well(now), log.failed(now)):
            if due:
                log.line("REST", b"/", now, None)
    assert len(written) == 1 + ERRORS
    now = 101.0
    assert log.failed(now)
    log.line("REST", b"/", now, None)
    assert sum(one["left_out"] for one in written) == 100 - 1 - ERRORS


@given(
    st.one_of(
        st.binary(max_size=80), st.from_regex(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", fullmatch=True)
    )
)
def test_only_a_wellformed_trace_is_taken(sent: bytes) -> None:
    """What is taken is 32 hexadecimal digits, not all zero, as sent; nothing raises."""
    trace = trace_of(sent)
    if trace is not None:
        assert len(trace) == 32
        assert int(trace, 16) > 0
        assert sent[3:35] == trace


@pytest.mark.parametrize(
    "sent", [b"ff-" + TRACE.encode() + b"-b7ad6b7169203331-01", SENT.encode() + b"-more", SENT.upper().encode(), b""]
)
def test_malformed_traces_are_left(sent: bytes) -> None:
    """As the recommendation says for version ff, extra fields in version 00 and upper case."""
    assert trace_of(sent) is None


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    """A future version may append fields."""
    assert trace_of(b"01" + SENT.encode()[2:] + b"-more") == TRACE.encode()
