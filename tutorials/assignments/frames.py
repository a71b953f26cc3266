"""Messages between the grader and the processes that run students' code: a length, then JSON, through a pipe."""

import json
import os

__all__ = ["LARGEST", "read_frame", "write_frame"]

LARGEST = 16_000_000  # bytes of one message


def write_frame(pipe: int, message: object) -> None:
    """Send one message; raises OSError (BrokenPipeError) if nobody listens any more."""
    data = json.dumps(message).encode()
    data = len(data).to_bytes(4, "big") + data
    while data:
        data = data[os.write(pipe, data) :]


def read_frame(pipe: int) -> dict | None:
    """The next message; None if the other side is gone.  Raises ValueError for what is no message."""
    head = _exactly(pipe, 4)
    length = int.from_bytes(head or b"", "big")
    if length > LARGEST:
        raise ValueError(f"a message of {length} bytes, at most {LARGEST}")
    data = head and _exactly(pipe, length)
    if data is None:
        return None
    message = json.loads(data)
    if not isinstance(message, dict):
        raise ValueError("expected an object")
    return message


def _exactly(pipe: int, count: int) -> bytes | None:
    parts = []
    while count:
        part = os.read(pipe, min(count, 1 << 16))
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
