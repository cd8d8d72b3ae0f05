"""HTTP/2 frames (RFC 9113) and gRPC's headers (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md)."""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Iterable
from enum import IntEnum
from urllib.parse import quote

from ropewalk_server.transport.http2.rpc import Code, Head, Reply

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITIZED = 0x20
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_STREAMS, INITIAL_WINDOW, MAX_FRAME, MAX_HEADERS = range(1, 7)
"""Identifiers of SETTINGS."""
LARGEST_WINDOW = (1 << 31) - 1
DEFAULT_WINDOW = 65535
DEFAULT_FRAME = 16384
DEFAULT_TABLE = 4096
FRAME_HEAD = struct.Struct(">HBBBL")
"""Length (16 bits, then 8), type, flags, stream."""
MESSAGE_HEAD = struct.Struct(">BL")
"""Of a gRPC message: whether it is compressed, its length."""
SETTING = struct.Struct(">HL")


class Fault(IntEnum):
    """Error codes of RST_STREAM and GOAWAY."""

    NONE = 0
    PROTOCOL = 1
    INTERNAL = 2
    FLOW_CONTROL = 3
    STREAM_CLOSED = 5
    FRAME_SIZE = 6
    REFUSED = 7
    CANCEL = 8
    COMPRESSION = 9
    CALM = 11


class ConnectionFault(Exception):
    """The peer has broken the protocol or a bound: the connection ends."""

    def __init__(self, fault: Fault, words: str) -> None:
        super().__init__(words)
        self.fault = fault


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    return FRAME_HEAD.pack(len(payload) >> 8, len(payload) & 255, kind, flags, stream) + payload


def settings(values: dict[int, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(SETTING.pack(*one) for one in values.items()))


def reset(stream: int, fault: Fault) -> bytes:
    """A RST_STREAM frame."""
    return frame(RST_STREAM, 0, stream, fault.to_bytes(4, "big"))


def goaway(last: int, fault: Fault, words: str = "") -> bytes:
    """A GOAWAY frame: streams up to `last` are still answered."""
    return frame(GOAWAY, 0, 0, last.to_bytes(4, "big") + fault.to_bytes(4, "big") + words.encode()[:200])


def window_update(stream: int, more: int) -> bytes:
    """A WINDOW_UPDATE frame; stream 0 is the connection."""
    return frame(WINDOW_UPDATE, 0, stream, more.to_bytes(4, "big"))


# Our header blocks: literals that are not indexed, so that no table is kept for what we send.


def _length(value: int) -> bytes:
    """An HPACK integer with a prefix of 7 bits (RFC 7541, 5.1)."""
    if value < 127:
        return bytes((value,))
    value -= 127
    found = bytearray((127,))
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes((*found, value))


def literal(name: bytes, value: bytes) -> bytes:
    """A header field of a name that is written out."""
    return b"".join((b"\0", _length(len(name)), name, _length(len(value)), value))


_STATUS_200 = b"\x88"
_CONTENT_TYPE = b"\x0f\x10\x10application/grpc"
HEAD_BLOCK = _STATUS_200 + _CONTENT_TYPE
"""The header block of an answer: `:status` 200 and the content type."""
TAIL_BLOCK = literal(b"grpc-status", b"0")
_TAIL_HEAD = FRAME_HEAD.pack(0, len(TAIL_BLOCK), HEADERS, END_STREAM | END_HEADERS, 0)[:5]


def head_block(metadata: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The header block ahead of an answer."""
    return HEAD_BLOCK + b"".join([literal(name, value) for name, value in metadata])


def tail(stream: int) -> bytes:
    """The frame that ends an answer without error."""
    return b"".join((_TAIL_HEAD, stream.to_bytes(4, "big"), TAIL_BLOCK))


_SHOWN = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")


def error_block(reply: Reply) -> bytes:
    """The only header block of an answer that is an error; its words are percent-encoded and cut to 4 KiB."""
    words = quote(reply.words[:1000], safe=_SHOWN)
    if len(words) > 4096:
        words = quote(reply.words[:300], safe=_SHOWN)
    head = head_block(reply.metadata)
    if reply.code is Code.UNIMPLEMENTED:
        head += literal(b"grpc-accept-encoding", b"identity")
    return head + literal(b"grpc-status", b"%d" % reply.code) + literal(b"grpc-message", words.encode())


def http_error_block(status: int) -> bytes:
    """The header block that answers a request which is not gRPC's."""
    return b"\x08" + _length(3) + b"%d" % status


# Requests' headers.

_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}


def read_head(fields: Iterable[tuple[bytes, bytes]], keep: Collection[bytes] = ()) -> Head | None:
    """The head of a call, with the headers `keep`; None where it breaks HTTP/2 itself (RFC 9113, 8.2 and 8.3)."""
    pseudo: dict[bytes, bytes] = {}
    content_type = b""
    timeout = authorization = length = traceparent = None
    kept: dict[bytes, bytes] = {}
    regular = False
    for name, value in fields:
        if name[:1] == b":":
            if regular or name in pseudo:
                return None
            pseudo[name] = value
            continue
        regular = True
        if name != name.lower() or name in (b"connection", b"transfer-encoding", b"keep-alive", b"upgrade"):
            return None
        if name == b"te" and value != b"trailers":
            return None
        if name == b"content-type":
            content_type = value
        elif name == b"grpc-timeout" and (found := _TIMEOUT.fullmatch(value)):
            timeout = int(found[1]) * _UNITS[found[2]]
        elif name == b"authorization":
            authorization = value
        elif name == b"traceparent":
            traceparent = value
        elif name in keep:
            kept[name] = value
        elif name == b"content-length":
            if not value.isdigit() or len(value) > 18:
                return None
            length = int(value)
    if not {b":method", b":scheme", b":path"} <= pseudo.keys() or pseudo.keys() - _PSEUDO or not pseudo[b":path"]:
        return None
    status = 0
    if pseudo[b":method"] != b"POST":
        status = 405
    elif not content_type.startswith(b"application/grpc") or content_type[16:17] not in (b"", b"+", b";"):
        status = 415
    return Head(pseudo[b":path"], timeout, authorization, length, status, traceparent, kept)


_PSEUDO = {b":method", b":scheme", b":path", b":authority"}
