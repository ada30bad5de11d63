"""A folder, a zip or a tar as one list of names and their contents.

Names are relative POSIX paths. An archive whose members could write or point outside of it
(absolute paths, "..", links, devices) is refused whole. Hidden files and what macOS adds to
archives are not listed. Of a folder, links are followed: they are the user's own.
"""

import os
import posixpath
import re
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from meishi.data.importers.folders import files_in, is_listed
from meishi.data.importers.member_names import (
    Stored,
    names_by_encoding,
    stored_in_tar,
    stored_in_zip,
)
from meishi.errors import InputError, summary
from meishi.pictures.images import SUFFIXES

MAX_MEMBER_BYTES = 1 << 30
OTHER_ARCHIVES = (".7z", ".rar", ".gz", ".bz2", ".xz", ".zst", ".iso", ".dmg")
TABLES = (".csv.gz",)  # compressed, and no archives: they hold no pictures
# Folders of label files, whose pictures mostly lie beside the folder.
LABEL_FOLDERS = ("annotations", "labels")
ENCRYPTED = 0x1  # flag of a zip's member
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_DAMAGE = (OSError, EOFError, RuntimeError, NotImplementedError, ValueError, zlib.error)
_DAMAGE_OF_ARCHIVES = (*_DAMAGE, zipfile.BadZipFile, tarfile.TarError)


class OpenError(InputError):
    """A source, or a file in it, cannot be read; the message names it."""


@dataclass(frozen=True)
class Source:
    """Files to import from.

    Attributes:
        path: the folder or archive, as messages name it.
        names: the files in it, sorted.
        chosen: the one label file that the user named, instead of its folder.
        respelled: the same files by other names, where an archive does not say which are right.
    """

    path: Path
    names: tuple[str, ...]
    load: Callable[[str], bytes]
    chosen: str | None = None
    respelled: tuple["Source", ...] = ()

    def read(self, name: str) -> bytes:
        """Read a file.

        Raises:
            OpenError: if it cannot be read.
        """
        try:
            return self.load(name)
        except _DAMAGE_OF_ARCHIVES as error:
            raise OpenError(f"{self.place(name)}: cannot be read: {error}") from error

    def place(self, name: str) -> str:
        """Name a file for messages."""
        return f"{self.path}/{name}"

    def with_suffix(self, *suffixes: str) -> list[str]:
        """List label files by suffix: the chosen one alone, if there is one."""
        names = self.names if self.chosen is None else (self.chosen,)
        return [name for name in names if name.lower().endswith(suffixes)]


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Open a folder, an archive, or one label file with the folder around it.

    Raises:
        OpenError: if there is nothing, or an archive is damaged or unsafe.
    """
    if path.is_dir():
        yield _folder(path, None)
    elif path.is_file() and _is_zip(path):
        with _zip(path) as source:
            yield source
    elif path.is_file() and _is_tar(path):
        with _tar(path) as source:
            yield source
    elif path.is_file() and is_archive(path.name):
        raise OpenError(f"{path}: unpack it first; read are {', '.join(ARCHIVES)}")
    elif path.is_file():
        yield _around(path)
    else:
        what = "neither a file nor a folder" if path.exists() else "no such file or folder"
        raise OpenError(f"{path}: {what}")


def is_archive(name: str) -> bool:
    """Tell whether a name is one of an archive, of a kind that is read or not."""
    ends = (*ARCHIVES, *OTHER_ARCHIVES)
    return name.lower().endswith(ends) and not name.lower().endswith(TABLES)


def _is_zip(path: Path) -> bool:
    # A download may have no suffix; what has one is held to it, so that damage is told.
    return path.suffix.lower() == ".zip" or (not _plain(path) and zipfile.is_zipfile(path))


def _is_tar(path: Path) -> bool:
    named = path.name.lower().endswith(ARCHIVES)
    return named or (not _plain(path) and tarfile.is_tarfile(path))


def _plain(path: Path) -> bool:
    return path.suffix.lower() in (".json", ".xml", ".yaml", ".yml", ".txt")


def _around(path: Path) -> Source:
    """Open the folder of a label file, or the one around annotations/ if that is its name."""
    folder = path.parent
    name = Path(os.path.abspath(folder)).name
    if name.lower() in LABEL_FOLDERS and not any(
        file.name.lower().endswith(SUFFIXES) for file in folder.iterdir()
    ):
        around = folder / ".." if folder.name in ("", "..") else folder.parent
        return _folder(around, f"{name}/{path.name}")
    return _folder(folder, path.name)


def _folder(folder: Path, chosen: str | None) -> Source:
    names, faults = files_in(folder)
    if faults:
        raise OpenError(summary(faults))
    return Source(folder, names, lambda name: (folder / name).read_bytes(), chosen)


@contextmanager
def _zip(path: Path) -> Iterator[Source]:
    try:
        archive = zipfile.ZipFile(path)
    except _DAMAGE_OF_ARCHIVES as error:
        raise OpenError(f"{path}: no sound zip: {error}") from error
    with archive:
        entries = [
            entry for entry in archive.infolist() if not entry.filename.endswith("/")
        ]  # is_dir() fails where there is no name
        spellings = names_by_encoding(list(map(stored_in_zip, entries)))
        found = [_members(path, entries, names) for names in spellings]
        sound = [members for members, faults in found if not faults]
        if not sound:
            _refuse(found[0][1])
        first, *others = [_named_source(path, archive, members) for members in sound]
        yield replace(first, respelled=tuple(others))


def _members(
    path: Path, entries: list[zipfile.ZipInfo], names: list[str]
) -> tuple[dict[str, zipfile.ZipInfo], list[str]]:
    """Enter the members of a zip by name; and list what is wrong with them."""
    members: dict[str, zipfile.ZipInfo] = {}
    faults = []
    for entry, name in zip(entries, names, strict=True):
        kind = stat.S_IFMT(entry.external_attr >> 16)
        fault = _member_fault(name, entry.file_size)
        if kind not in (0, stat.S_IFREG):
            fault = "is a link or a device"
        if entry.flag_bits & ENCRYPTED:
            fault = "is encrypted; pack it without a password"
        if fault is None and name in members:
            fault = "is in the archive twice"
        if fault:
            faults.append(f"{path}: member {name!r} {fault}")
        members[name] = entry
    return members, faults


def _named_source(
    path: Path, archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]
) -> Source:
    names = tuple(sorted(filter(is_listed, members)))
    return Source(path, names, lambda name: archive.read(members[name]))


@contextmanager
def _tar(path: Path) -> Iterator[Source]:
    # A compressed tar can only be read from front to back: its files are set down once.
    with tempfile.TemporaryDirectory(prefix="meishi-") as folder:
        files: dict[str, tuple[Stored, Path]] = {}
        faults = []
        try:
            with tarfile.open(path) as archive:
                for member in archive:
                    name = posixpath.normpath(member.name)
                    fault = _member_fault(member.name, member.size)
                    if not (member.isfile() or member.isdir()):
                        fault = "is a link or a device"
                    elif fault is None and name in files:
                        fault = "is in the archive twice"
                    if fault:
                        faults.append(f"{path}: member {member.name!r} {fault}")
                    elif member.isfile() and is_listed(name) and not faults:
                        file = Path(folder) / f"{len(files)}"
                        files[name] = stored_in_tar(member), file
                        stream = archive.extractfile(member)
                        file.write_bytes(stream.read() if stream else b"")
        except _DAMAGE_OF_ARCHIVES as error:
            raise OpenError(f"{path}: no sound tar: {error}") from error
        _refuse(faults)
        places = [place for _, place in files.values()]
        first, *others = [
            _of_files(path, dict(zip(names, places, strict=True)))
            for names in names_by_encoding([stored for stored, _ in files.values()])
            if not any(_member_fault(name, 0) for name in names)
        ]
        yield replace(first, respelled=tuple(others))


def _of_files(path: Path, files: dict[str, Path]) -> Source:
    return Source(path, tuple(sorted(files)), lambda name: files[name].read_bytes())


def _refuse(faults: list[str]) -> None:
    if faults:
        raise OpenError(f"the archive is refused, faults: {len(faults)}\n{summary(faults)}")


def _member_fault(name: str, size: int) -> str | None:
    parts = name.replace("\\", "/").split("/")
    if ".." in parts:
        return "leads out of the archive ('..')"
    if parts[0] == "" or re.match(r"[A-Za-z]:", name):
        return "has an absolute path"
    if size > MAX_MEMBER_BYTES:
        return f"holds {size} bytes; {MAX_MEMBER_BYTES} at most are read"
    return None
