"""Connections that are hung up when the time of an answer is over, whatever it is made of.

A time-out of a socket begins anew with each byte: headers that drip, interim answers or trailers
without end would hold a client for ever. So a timer shuts the socket down.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import urllib3


class Deadline:
    """The time of one answer.

    Attributes:
        over: whether it is.
    """

    def __init__(self) -> None:
        """Watch no connection yet."""
        self.over = False
        self._socket: socket.socket | None = None

    def watch(self, opened: socket.socket) -> None:
        """Take over the socket that the answer comes on."""
        self._socket = opened
        if self.over:
            self.hang_up()

    def hang_up(self) -> None:
        """End the answer."""
        self.over = True
        if self._socket is not None:
            # The other end may have been quicker.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


_CURRENT: ContextVar[Deadline] = ContextVar("deadline")


@contextmanager
def within(seconds: float) -> Iterator[Deadline]:
    """Hang up whatever connection of ours is in use when the time is over."""
    deadline = Deadline()
    timer = threading.Timer(seconds, deadline.hang_up)
    timer.daemon = True
    token = _CURRENT.set(deadline)
    timer.start()
    try:
        yield deadline
    finally:
        timer.cancel()
        _CURRENT.reset(token)


class _Named:
    """What urllib3's messages begin with: our classes' names would tell nobody anything."""

    def __str__(self) -> str:
        host = self.host.strip("[]")  # type: ignore[attr-defined]  # a mixin
        return f"{f'[{host}]' if ':' in host else host}:{self.port}"  # type: ignore[attr-defined]


class _Watched(_Named):
    def getresponse(self):
        """Let the deadline watch the socket, before the first byte is read."""
        if deadline := _CURRENT.get(None):
            deadline.watch(self.sock)  # type: ignore[attr-defined]  # a mixin of connections
        return super().getresponse()  # type: ignore[misc]


class _Plain(_Watched, urllib3.connection.HTTPConnection):
    pass


class _Secure(_Watched, urllib3.connection.HTTPSConnection):
    pass


class _PlainPool(_Named, urllib3.HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(_Named, urllib3.HTTPSConnectionPool):
    ConnectionCls = _Secure


def make_pool() -> urllib3.PoolManager:
    """Make the connections of one client: one a server."""
    pool = urllib3.PoolManager(num_pools=2, maxsize=1)
    pool.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
    return pool
