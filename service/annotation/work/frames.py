"""Messages between the command and its workers: a JSON object and bytes, each after its length."""

import json
import struct
from typing import IO, Any

_LENGTHS = struct.Struct("!II")


def send(stream: IO[bytes], header: dict[str, Any], blob: bytes = b"") -> None:
    head = json.dumps(header).encode()
    stream.write(_LENGTHS.pack(len(head), len(blob)) + head + blob)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], bytes] | None:
    """The next message; None at the end of the stream, also in the middle of a message."""
    lengths = stream.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    head_size, blob_size = _LENGTHS.unpack(lengths)
    head, blob = stream.read(head_size), stream.read(blob_size)
    if len(head) < head_size or len(blob) < blob_size:
        return None
    header: dict[str, Any] = json.loads(head)
    return header, blob
