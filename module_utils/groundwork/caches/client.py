"""The few words of RESP that asking a cache needs, over TLS. https://valkey.io/topics/protocol/"""

from __future__ import annotations

import socket
import ssl
from types import TracebackType
from typing import IO


class CacheError(Exception):
    """The cache refused, or what answers is none. The text never has the token."""


def encode(*words: str) -> bytes:
    """A command as an array of bulk strings."""
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def decode(stream: IO[bytes]) -> str:
    """A simple string, integer or bulk string; an error is raised."""
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise CacheError("the connection was closed")
    kind, text = line[:1], line[1:-2].decode(errors="replace")
    if kind == b"-":
        raise CacheError(text)
    if kind == b"$":
        length = int(text)
        return stream.read(length + 2)[:-2].decode(errors="replace") if length >= 0 else ""
    if kind in b"+:":
        return text
    raise CacheError(f"an answer of kind {kind.decode(errors='replace')!r} was not expected")


class Cache:
    """One connection; `context` none is one without TLS."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None, timeout: float) -> None:
        raw = socket.create_connection((host, port), timeout)
        try:
            self._socket = context.wrap_socket(raw, server_hostname=host) if context else raw
        except OSError:
            raw.close()
            raise
        self._stream = self._socket.makefile("rb")

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stream.close()
        self._socket.close()

    def ask(self, *words: str) -> str:
        self._socket.sendall(encode(*words))
        return decode(self._stream)

    def tls(self) -> str:
        return (self._socket.version() or "") if isinstance(self._socket, ssl.SSLSocket) else ""
