"""The client's metadata over HTTP: an unchanged poll is one conditional request without a body.

The timestamp is asked for first, with the ETag of the last. If the server says it is unchanged,
TUF goes through the files that are here, their signatures and expiry included, and asks nobody:
a new root always comes with a new timestamp. Whatever does not hold then is asked for in full. A
server that says "unchanged" for ever is believed until the timestamp expires.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tuf.api.exceptions import DownloadError, DownloadHTTPError
from tuf.ngclient import FetcherInterface, Updater

from meishi.collections.disk import Disk
from meishi.collections.http import Http
from meishi.collections.trust import CONFIG, REFUSALS, make_updater, verified_targets

NOTE = "poll.json"  # which ETag stands for which timestamp


class MetadataPoll:
    """Keeps a client's metadata up to date."""

    def __init__(self, folder: Path, base: str, root: bytes, http: Http, disk: Disk) -> None:
        """Poll `base`, trusting `root`; metadata are kept in `folder`."""
        self.folder = folder
        self.base = base.rstrip("/")
        self.root = root
        self.http = http
        self.disk = disk

    def refresh(self, collection: str, now: datetime) -> Updater:
        """Bring all that a collection needs up to date and verify it.

        Raises:
            RepositoryError: if the server's metadata are refused.
            DownloadError: if they cannot be had.
        """
        tag = self._tag()
        if tag:
            first = Answer.ask(self.http, self.base, tag)
            if first.unchanged:
                try:
                    return self._load(collection, now, Offline(self._timestamp()))
                except REFUSALS:
                    pass  # expired, or damaged here: the server may have better
                first = Answer.ask(self.http, self.base, "")
        else:
            first = Answer.ask(self.http, self.base, "")
        updater = self._load(collection, now, Online(self.http, first))
        self._note(first)
        return updater

    def _load(self, collection: str, now: datetime, fetcher: FetcherInterface) -> Updater:
        updater = make_updater(self.folder, self.base, fetcher, self.root, now)
        verified_targets(updater, self.folder, collection)
        return updater

    def _timestamp(self) -> bytes:
        try:
            return (self.folder / "timestamp.json").read_bytes()
        except OSError:
            return b""

    def _tag(self) -> str:
        """Return the ETag of the timestamp that is here; "" if there is none."""
        try:
            note = json.loads((self.folder / NOTE).read_text(encoding="utf-8"))
            same = note["sha256"] == hashlib.sha256(self._timestamp()).hexdigest()
            return str(note["etag"]) if same else ""
        except (OSError, ValueError, TypeError, KeyError):
            return ""

    def _note(self, answer: "Answer") -> None:
        if answer.etag and answer.content == self._timestamp():
            digest = hashlib.sha256(answer.content).hexdigest()
            text = json.dumps({"etag": answer.etag, "sha256": digest})
            self.disk.write(self.folder / NOTE, text.encode())


@dataclass(frozen=True)
class Answer:
    """The server's answer to a request for the timestamp.

    Attributes:
        unchanged: there is no new one, and no body.
        content: body.
        etag: "" if there is none.
    """

    unchanged: bool
    content: bytes
    etag: str

    @classmethod
    def ask(cls, http: Http, base: str, tag: str) -> "Answer":
        """Ask for the timestamp, unless it is still the one of `tag`."""
        url = f"{base}/metadata/timestamp.json"
        headers = {"If-None-Match": tag} if tag else {}
        with http.get(url, CONFIG.timestamp_max_length, headers) as reply:
            if reply.status == 304 and tag:
                return cls(True, b"", tag)
            if reply.status != 200:
                raise DownloadHTTPError(f"{url}: HTTP {reply.status}", reply.status)
            return cls(False, b"".join(reply.chunks), reply.headers.get("etag", ""))


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
