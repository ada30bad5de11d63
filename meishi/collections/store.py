"""Where collections are published: any fsspec address, with the two writes that need care.

`create` makes a file that must not be there; `replace` changes the timestamp only if it still is
what was read. With these two, publishers at the same time cannot lose one another's work.

A folder uses a lock file of the operating system, which a killed process gives back. A bucket uses
conditional writes (S3: If-None-Match, If-Match); `check` proves that the server honours them. Where
it does not, or with other file systems, the publishers have to share a lock file.
"""

import posixpath
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import filelock
import fsspec

from meishi.collections.disk import PARTIAL, Disk
from meishi.errors import InputError

LOCK_SECONDS = 60
_MEMORY_LOCK = threading.Lock()


class StoreError(InputError):
    """The store cannot be used; the message says why."""


class ConflictError(Exception):
    """Someone else wrote first."""


class Store:
    """A folder or a bucket."""

    def __init__(self, address: str, lock: Path | None = None, **options: Any) -> None:
        """Open an address: a path, `file://`, `memory://`, `s3://BUCKET/PREFIX`.

        Args:
            address: that fsspec understands.
            lock: file that all publishers share, for stores without conditional writes.
            options: for the file system, as `endpoint_url` for S3.

        Raises:
            StoreError: if it cannot be opened.
        """
        self.address = address
        try:
            self.fs, self.root = fsspec.core.url_to_fs(address, **options)
        except (ValueError, ImportError, OSError) as error:
            raise StoreError(f"{address}: cannot be opened: {error}") from error
        protocols = (self.fs.protocol,) if isinstance(self.fs.protocol, str) else self.fs.protocol
        self.kind = next((kind for kind in ("file", "memory", "s3") if kind in protocols), "")
        self.lock = lock
        self.conditional = self.kind == "s3" and lock is None

    def read(self, path: str) -> bytes | None:
        """Read a file; None if there is none.

        Raises:
            StoreError: if the store does not answer.
        """
        try:
            return self.fs.cat_file(self._full(path))
        except FileNotFoundError:
            return None
        except Exception as error:  # whatever the library behind the address raises
            raise StoreError(f"{self.address}: {path} cannot be read: {error}") from error

    def create(self, path: str, content: bytes) -> None:
        """Write a new file, whole.

        Raises:
            ConflictError: if there is one of this name, with other content or the same.
            StoreError: if the server refuses it.
        """
        with self._told(path), self._locked():
            self._create(path, content)

    def replace(self, path: str, content: bytes, expected: bytes | None) -> None:
        """Change a file if it is still as expected (None: if there is none).

        Raises:
            ConflictError: if it is not; nothing is changed then.
            StoreError: if the server refuses it.
        """
        if expected is None:
            return self.create(path, content)
        with self._told(path):
            if self.conditional:
                return self._replace_object(path, content, expected)
            with self._locked():
                if self.read(path) != expected:
                    raise ConflictError(path)
                self._put(path, content)

    def remove(self, path: str) -> None:
        """Remove a file; StoreError if the server refuses it."""
        with self._told(path, "removed"):
            self.fs.rm(self._full(path))

    def ages(self, folder: str, now: datetime) -> dict[str, float]:
        """List the files of a folder with their age in seconds; StoreError if it is refused."""
        files = self._ages(folder, now)
        return {path: age for path, age in files.items() if not _is_hidden(path)}

    def leftovers(self, folder: str, now: datetime) -> dict[str, float]:
        """List what writes left that were cut short, with their age in seconds."""
        files = self._ages(folder, now)
        return {p: age for p, age in files.items() if _is_hidden(p) and p.endswith(PARTIAL)}

    def _ages(self, folder: str, now: datetime) -> dict[str, float]:
        self.fs.invalidate_cache()
        with self._told(folder, "listed"):
            try:
                rows = self.fs.ls(self._full(folder), detail=True)
            except FileNotFoundError:
                return {}
        names = {posixpath.basename(row["name"]): row for row in rows if row["type"] == "file"}
        return {
            f"{folder}/{name}": (now - self._modified(row)).total_seconds()
            for name, row in names.items()
        }

    def check(self) -> None:
        """Prove that a second `create` and an outdated `replace` are refused.

        Raises:
            StoreError: if not, or if the store cannot be written.
        """
        probe = f"probe-{secrets.token_hex(8)}"
        try:
            self.create(probe, b"first")
            refused = [
                self._refuses(lambda: self.create(probe, b"second")),
                self._refuses(lambda: self.replace(probe, b"third", b"not this")),
            ]
            kept = self.read(probe) == b"first"
            self.remove(probe)
        except OSError as error:
            raise StoreError(f"{self.address}: cannot be written: {error!r}") from error
        if not (all(refused) and kept):
            raise StoreError(
                f"{self.address}: the server ignores conditional writes (If-None-Match, If-Match): "
                "two publishers could overwrite one another; name a file that all of them share "
                "with --lock, or publish to a folder and copy it"
            )

    @staticmethod
    def _refuses(write) -> bool:
        try:
            write()
        except ConflictError:
            return True
        return False

    def _full(self, path: str) -> str:
        return f"{self.root.rstrip('/')}/{path}"

    def _modified(self, row: dict[str, Any]) -> datetime:
        stamp: Any = row.get("LastModified") or row.get("mtime") or row.get("created")
        if isinstance(stamp, (int, float)):
            return datetime.fromtimestamp(stamp, UTC)
        return stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)

    @contextmanager
    def _told(self, path: str, what: str = "written") -> Iterator[None]:
        """Say in words what a server refuses; faults of a disk of one's own stay as they are."""
        try:
            yield
        except (InputError, ConflictError):
            raise
        except Exception as error:  # whatever the library behind the address raises
            if self.kind == "file":
                raise
            raise StoreError(f"{self.address}: {path} cannot be {what}: {error}") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = self.lock or (Path(self.root) / ".lock" if self.kind == "file" else None)
        if lock is not None:
            lock.parent.mkdir(parents=True, exist_ok=True)
            held = filelock.FileLock(lock, timeout=LOCK_SECONDS)
            try:
                held.acquire()
            except filelock.Timeout as error:
                raise StoreError(
                    f"{lock}: held by another publisher for {LOCK_SECONDS} s; try again"
                ) from error
            try:
                yield
            finally:
                held.release()
        elif self.kind == "memory":
            with _MEMORY_LOCK:
                yield
        elif self.conditional:
            yield  # the server decides
        else:
            raise StoreError(
                f"{self.address}: has no conditional writes that are known here; name a file that "
                "all publishers share with --lock, or publish to a folder and copy it"
            )

    def _create(self, path: str, content: bytes) -> None:
        full = self._full(path)
        if self.conditional:
            return self._create_object(full, content)
        if self.read(path) is not None:
            raise ConflictError(path)
        self._put(path, content)

    def _put(self, path: str, content: bytes) -> None:
        full = self._full(path)
        if self.kind != "file":
            self.fs.pipe_file(full, content)
            return
        # Under the lock: no one else writes beside this name.
        Disk().write(Path(full), content)

    def _create_object(self, full: str, content: bytes) -> None:
        try:
            self.fs.pipe_file(full, content, IfNoneMatch="*")
        except OSError as error:
            raise _conflict(error, full) from error

    def _replace_object(self, path: str, content: bytes, expected: bytes) -> None:
        full = self._full(path)
        tag = self.fs.info(full, refresh=True)["ETag"]
        if self.read(path) != expected:
            raise ConflictError(path)
        try:
            self.fs.pipe_file(full, content, IfMatch=tag)
        except OSError as error:
            raise _conflict(error, full) from error


def _is_hidden(path: str) -> bool:
    return posixpath.basename(path).startswith(".")


def _conflict(error: OSError, path: str) -> Exception:
    """Tell a failed condition (412, 409) from other faults of the server."""
    response = getattr(error.__cause__, "response", None) or {}
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return (
        ConflictError(path) if status in (409, 412) or isinstance(error, FileExistsError) else error
    )
