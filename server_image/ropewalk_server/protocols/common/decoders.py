"""The decoders that this server's models are loaded with."""

from __future__ import annotations

from ropewalk_server.protocols.common.decode import Decoder
from ropewalk_server.protocols.common.named_tensors import TensorsDecoder
from ropewalk_server.serving.decoders import Decoders

DECODERS = Decoders(rows=Decoder, tensors=TensorsDecoder)
