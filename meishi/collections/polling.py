"""The client's metadata over HTTP: an unchanged poll is one conditional request without a body.

The timestamp is asked for first, with the ETag of the last. A note says of which files TUF verified
the chain, from which embedded root, and until when all of it holds. If the timestamp is unchanged,
the files are those of the note and none has expired, nothing is asked for or verified again: a new
root always comes with a new timestamp. Otherwise TUF goes through all of it. A server that says
"unchanged" for ever is believed until the timestamp expires.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from tuf.api.exceptions import DownloadError, DownloadHTTPError
from tuf.api.metadata import Metadata, TargetFile, Targets
from tuf.ngclient import FetcherInterface, Updater

from meishi import schema
from meishi.collections.disk import Disk
from meishi.collections.http import Http
from meishi.collections.trust import CONFIG, expiry, make_updater, verified_targets

NOTE = "poll.json"
# What is kept of ETags and sent back: a server refuses headers that are too long, its own, too.
_ETAG = re.compile(r"[ -~]{1,256}")
# What a server says of a request whose headers it does not take.
REFUSED_HEADERS = (400, 412, 431)


@dataclass(frozen=True)
class Note:
    """What was verified last; the files lie beside it.

    Attributes:
        etag: of the timestamp; "" if the server gives none that can be sent back.
        chain: sha256 over the collection's name, the embedded root, and every file of the chain.
        until: POSIX time in seconds at which the first of them expires.
    """

    etag: str
    chain: str
    until: int


class Verified:
    """A collection whose metadata were verified."""

    def __init__(self, targets: Targets, load: Callable[[], Updater]) -> None:
        """Hold what it lists; `load` gives the TUF client that verified it."""
        self.targets = targets
        self._load = load

    def find(self, path: str) -> TargetFile | None:
        """Return what TUF itself says of a name."""
        return self._load().get_targetinfo(path)


class MetadataPoll:
    """Keeps a client's metadata up to date."""

    def __init__(self, folder: Path, base: str, root: bytes, http: Http, disk: Disk) -> None:
        """Poll `base`, trusting `root`; metadata are kept in `folder`."""
        self.folder = folder
        self.base = base.rstrip("/")
        self.root = root
        self.http = http
        self.disk = disk

    def refresh(self, collection: str, now: datetime) -> Verified:
        """Bring all that a collection needs up to date and verify it.

        Raises:
            RepositoryError: if the server's metadata are refused.
            DownloadError: if they cannot be had.
        """
        self._clear()
        here = self._read("timestamp.json")
        note = self._noted(collection)
        first = Answer.ask(self.http, self.base, note.etag if note else "")
        if note and (first.unchanged or first.content == here):
            if now.timestamp() < note.until:
                listed = Metadata[Targets].from_bytes(self._read(f"{collection}.json"))
                return Verified(
                    listed.signed, lambda: self._loaded(collection, now, Offline(here))[0]
                )
            if first.unchanged:
                first = Answer.ask(self.http, self.base, "")  # expired: is there really no other?
        updater, targets = self._loaded(collection, now, Online(self.http, first))
        self._note(collection, first, expiry(updater))
        return Verified(targets, lambda: updater)

    def _loaded(
        self, collection: str, now: datetime, fetcher: FetcherInterface
    ) -> tuple[Updater, Targets]:
        updater = make_updater(self.folder, self.base, fetcher, self.root, now)
        return updater, verified_targets(updater, collection)

    def _clear(self) -> None:
        """Remove what keeps files from being written, and what a kill left of tuf's writes."""
        history = self.folder / "root_history"
        for folder in (self.folder, history):
            if os.path.lexists(folder) and not folder.is_dir():
                self.disk.remove(folder)
            for path in sorted(folder.iterdir()) if folder.is_dir() else []:
                if path.name.startswith("tmp") or (path.is_dir() and path != history):
                    self.disk.remove(path)

    def _read(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except OSError:
            return b""

    def _chain(self, collection: str) -> str:
        names = ("root", "timestamp", "snapshot", "targets", collection)
        files = [self.root, *(self._read(f"{name}.json") for name in names)]
        digests = [hashlib.sha256(content).hexdigest() for content in files]
        return hashlib.sha256(" ".join([collection, *digests]).encode()).hexdigest()

    def _noted(self, collection: str) -> Note | None:
        """Return the note, if it is of the files that are here."""
        faults: list[schema.Fault] = []
        try:
            note = schema.build(Note, json.loads(self._read(NOTE)), faults)
        except (ValueError, RecursionError):
            return None
        return note if not faults and note.chain == self._chain(collection) else None

    def _note(self, collection: str, answer: "Answer", until: datetime) -> None:
        if answer.content == self._read("timestamp.json"):
            note = Note(answer.etag, self._chain(collection), int(until.timestamp()))
            self.disk.write(self.folder / NOTE, json.dumps(asdict(note)).encode())


@dataclass(frozen=True)
class Answer:
    """The server's answer to a request for the timestamp.

    Attributes:
        unchanged: there is no new one, and no body.
        content: body.
        etag: "" if there is none that can be sent back.
    """

    unchanged: bool
    content: bytes
    etag: str

    @classmethod
    def ask(cls, http: Http, base: str, tag: str) -> "Answer":
        """Ask for the timestamp, unless it is still the one of `tag`."""
        url = f"{base}/metadata/timestamp.json"
        tag = _sound(tag)
        with http.get(
            url, CONFIG.timestamp_max_length, {"If-None-Match": tag} if tag else {}
        ) as reply:
            if reply.status == 304 and tag:
                return cls(True, b"", tag)
            if reply.status == 200:
                etag = _sound(reply.headers.get("etag", ""))
                return cls(False, b"".join(reply.chunks), etag)
        if tag and reply.status in REFUSED_HEADERS:
            return cls.ask(http, base, "")
        raise DownloadHTTPError(f"{url}: HTTP {reply.status}", reply.status)


def _sound(tag: str) -> str:
    return tag if _ETAG.fullmatch(tag) else ""


class Online(FetcherInterface):
    """Fetches from the server; the timestamp has come already."""

    def __init__(self, http: Http, first: Answer) -> None:
        """Use the client's connections."""
        self._http = http
        self._first = first

    def _fetch(self, url: str) -> Iterator[bytes]:
        if url.endswith("/metadata/timestamp.json"):
            return iter([self._first.content])
        with self._http.get(url, CONFIG.targets_max_length) as reply:
            if reply.status != 200:
                raise DownloadHTTPError(f"{url}: HTTP {reply.status}", reply.status)
            return iter(list(reply.chunks))


class Offline(FetcherInterface):
    """Answers from what is here: no newer root, the same timestamp, and nothing else."""

    def __init__(self, timestamp: bytes) -> None:
        """Answer with this timestamp."""
        self._timestamp = timestamp

    def _fetch(self, url: str) -> Iterator[bytes]:
        name = url.rpartition("/")[2]
        if name == "timestamp.json":
            return iter([self._timestamp])
        if name.endswith(".root.json"):
            raise DownloadHTTPError("no newer root", 404)
        raise DownloadError(f"{name}: not here")
