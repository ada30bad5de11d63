"""What a server or someone on the way can do to the bytes: the device keeps what runs."""

import re
import socket
import threading

import pytest
from tuf.api.exceptions import DownloadError

from meishi.collections.faulty_server import Twist
from meishi.collections.http import Http
from tests.collections_world import runs
from tests.unit.collections_scene import NEW, OLD

TIMESTAMP, ARCHIVE, EVERYTHING = "metadata/timestamp", "archives/", ""
BOMB = b"\x1f\x8b\x08" + b"\0" * 100


# Name: where the server does it, what it does, and what the device says to it.
ATTACKS = {
    "server 500 for everything": (EVERYTHING, Twist(status=500), "HTTP 500"),
    "server 500 for the archive": (ARCHIVE, Twist(status=500), "HTTP 500"),
    "server 503 for a newer root": (r"metadata/2\.root", Twist(status=503), "HTTP 503"),
    "missing archive": (ARCHIVE, Twist(status=404), "HTTP 404"),
    "missing timestamp": (TIMESTAMP, Twist(status=404), "HTTP 404"),
    "missing snapshot": (r"metadata/\d+\.snapshot", Twist(status=404), "HTTP 404"),
    "server that hangs": (TIMESTAMP, Twist(wait_s=2, drop=True), "no answer"),
    "server that hangs up": (TIMESTAMP, Twist(drop=True), "no answer"),
    "dripping archive": (ARCHIVE, Twist(drip_s=0.3), "not done after|broke off"),
    "headers that drip": (
        TIMESTAMP,
        Twist(raw=b"HTTP/1.1 200 OK\r\nX: ", again=b"x"),
        "not done after",
    ),
    "interim answers without end": (
        TIMESTAMP,
        Twist(raw=b"", again=b"HTTP/1.1 100 Continue\r\n\r\n"),
        "not done after",
    ),
    "trailers without end": (
        TIMESTAMP,
        Twist(
            raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n",
            again=b"x: y\r\n",
        ),
        "not done after",
    ),
    "redirect loop": (ARCHIVE, Twist(302, headers={"Location": "/archives/x"}), "redirects"),
    "redirect to a file": (ARCHIVE, Twist(302, headers={"Location": "file:///etc/hosts"}), "safe"),
    "redirect to ftp": (ARCHIVE, Twist(302, headers={"Location": "ftp://127.0.0.1/x"}), "safe"),
    "redirect to nowhere": (ARCHIVE, Twist(302, headers={"Location": "http://["}), "no answer"),
    "gzip bomb in transfer": (
        ARCHIVE,
        Twist(body=BOMB, headers={"Content-Encoding": "gzip"}),
        "compressed in transfer",
    ),
    "gzip bomb as timestamp": (
        TIMESTAMP,
        Twist(body=BOMB, headers={"Content-Encoding": "gzip"}),
        "compressed in transfer",
    ),
    "content length too large": (ARCHIVE, Twist(headers={"Content-Length": "99999"}), "at most"),
    "content length beyond the body": (
        TIMESTAMP,
        Twist(headers={"Content-Length": "7000"}, cut=100),
        "broke off",
    ),
    "content length of thousands of digits": (
        ARCHIVE,
        Twist(headers={"Content-Length": "9" * 5000}),
        "at most",
    ),
    "content length that is none": (
        ARCHIVE,
        Twist(headers={"Content-Length": "-1"}),
        "at most|no answer",
    ),
    "endless archive": (
        ARCHIVE,
        Twist(body=b"x" * 200_000, headers={"Content-Length": ""}),
        "more than",
    ),
    "endless timestamp": (
        TIMESTAMP,
        Twist(body=b" " * 200_000, headers={"Content-Length": ""}),
        "more than",
    ),
    "huge timestamp": (TIMESTAMP, Twist(body=b"{" + b" " * 200_000), "at most"),
    "huge root": (r"metadata/2\.root", Twist(body=b" " * 200_000), "exceeding"),
    "archive cut short": (ARCHIVE, Twist(cut=50), "broke off"),
    "archive of another length": (ARCHIVE, Twist(body=b"PK"), "of .* bytes"),
    "web page in place of the timestamp": (
        TIMESTAMP,
        Twist(body=b"<html>log in</html>"),
        "deserialize|Failed",
    ),
    "timestamp that is no text": (TIMESTAMP, Twist(body=b"\xff\xfe{}"), "deserialize"),
    "no answer that is HTTP": (TIMESTAMP, Twist(raw=b"SSH-2.0-none\r\n\0\1"), "no answer.*SSH-2"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_is_refused_and_over_when_the_attack_is(scene, name):
    where, twist, reason = ATTACKS[name]
    scene.twists[where] = twist
    outcome = scene.attacked()
    assert (outcome.status, outcome.version) == ("failed", "1.0.0")
    assert re.search(reason, outcome.reason), outcome.reason
    assert runs(scene.phone) == OLD
    scene.twists.clear()
    assert [scene.attacked().version for _ in range(2)][-1] == "1.1.0"
    assert runs(scene.phone) == NEW


@pytest.mark.parametrize("head", ["", "Transfer-Encoding: chunked\r\n"], ids=["plain", "chunked"])
def test_the_words_of_an_error_are_not_waited_for(head):
    listening = socket.create_server(("127.0.0.1", 0))
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    hung_up = threading.Event()

    def serve():
        connection, _ = listening.accept()
        with connection:
            connection.recv(4096)
            try:
                connection.sendall(f"HTTP/1.1 404 Not Found\r\n{head}\r\n".encode())
                for _ in range(1024):  # 64 MiB, more than any buffer on the way
                    connection.sendall(piece)
            except OSError:
                hung_up.set()

    server = threading.Thread(target=serve)
    server.start()
    with Http().get(f"http://127.0.0.1:{listening.getsockname()[1]}/x", 8000) as reply:
        assert reply.status == 404
    server.join()
    listening.close()
    assert hung_up.is_set()


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_who_does_not_answer_is_named_by_host_and_port(scheme, host):
    with pytest.raises(DownloadError) as refused:
        with Http().get(f"{scheme}://{host}:1/x", 10):
            pass
    assert f"/x: no answer: {host}:1: Failed to" in str(refused.value)


def test_a_server_that_hangs_is_named_by_host_and_port(scene):
    scene.twists[TIMESTAMP] = Twist(wait_s=2, drop=True)
    told = scene.attacked().reason
    assert "no answer: 127.0.0.1:" in told and "Pool" not in told


def test_a_kept_connection_that_the_server_closed_is_opened_again():
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    listening = socket.create_server(("127.0.0.1", 0))

    def serve():
        first, _ = listening.accept()
        first.recv(4096)
        first.sendall(answer)  # and keeps the connection, until it is used again
        first.recv(4096)
        first.close()
        second, _ = listening.accept()
        second.recv(4096)
        second.sendall(answer)
        second.close()

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    client = Http()
    for _ in range(2):
        with client.get(f"http://127.0.0.1:{listening.getsockname()[1]}/x", 10) as reply:
            assert b"".join(reply.chunks) == b"ok"
    server.join(5)
    listening.close()
    assert client.traffic.requests == 3
