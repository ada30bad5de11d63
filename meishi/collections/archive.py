"""A package as one file: packed so that its bytes depend on the content alone, unpacked with care.

Packing: names sorted, times and modes fixed. Unpacking trusts nothing but the number of bytes that
was signed: names that leave the folder, links, doubles, other compressions and a byte too many are
refused, and the folder gets its name only when all of it is there.
"""

import errno
import hashlib
import io
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from meishi.collections.disk import Disk
from meishi.errors import InputError, summary

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
MAX_FILES = 1000
# Shorter than what file systems take, so that a name is refused and does not fail to be written: a
# part of a path has 255 bytes, the whole 1024 on iOS, and we write beside the name, in a folder.
MAX_PART = 200
MAX_NAME = 400
MAX_DEPTH = 16
CHUNK_BYTES = 1 << 16
# What zipfile raises of bytes that are no sound zip.
DAMAGE = (
    zipfile.BadZipFile,
    NotImplementedError,
    EOFError,
    zlib.error,
    UnicodeDecodeError,
    OverflowError,
)


class ArchiveError(InputError):
    """An archive is refused; the message says why."""


def pack(package: Path) -> tuple[bytes, int]:
    """Pack a folder.

    Returns:
        The zip, and the bytes of its files together.

    Raises:
        InputError: if the folder is no package, or holds links or special files.
    """
    files = package_files(package)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, file in files.items():
            info = zipfile.ZipInfo(name, EPOCH)
            info.create_system = 3  # Unix, whatever this machine is: the mode below is one
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, file.read_bytes(), compresslevel=9)
    return stream.getvalue(), sum(file.stat().st_size for file in files.values())


def package_files(package: Path) -> dict[str, Path]:
    """List the files of a package by their names in the archive, sorted.

    Raises:
        InputError: if the folder is no package, or holds links or special files.
    """
    if not (package / "Manifest.json").is_file():
        raise InputError(f"{package}: not a Core ML package: there is no Manifest.json")
    found = sorted(package.rglob("*"))
    odd = [str(p) for p in found if p.is_symlink() or not (p.is_file() or p.is_dir())]
    if odd:
        raise InputError(f"{package}: only files and folders can be published, not {odd}")
    files = {p.relative_to(package).as_posix(): p for p in found if p.is_file()}
    faults = [fault for name in files if (fault := _name_fault(name))]
    if len({name.casefold() for name in files}) != len(files):
        faults.append("names that differ by case alone")
    if len(files) > MAX_FILES:
        faults.append(f"{len(files)} files; a package has at most {MAX_FILES}")
    if faults:
        raise InputError(f"{package}: no device would take it: {summary(faults)}")
    return dict(sorted(files.items()))


def tree_sha256(package: Path) -> str:
    """Hash names and contents of all files of an unpacked package."""
    digest = hashlib.sha256()
    for file in sorted(p for p in package.rglob("*") if not p.is_dir()):
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{file.relative_to(package).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()


def unpack(archive: Path, target: Path, size: int, disk: Disk) -> None:
    """Unpack a verified archive beside `target` and rename it into place.

    Args:
        archive: whose sha256 was checked.
        target: folder to make.
        size: bytes of the files together, as signed.
        disk: that writes.

    Raises:
        ArchiveError: if it is damaged or holds what is not allowed; nothing is left then.
        OSError: if the disk fails.
    """
    partial = target.with_name(f".{target.name}.partial")
    disk.remove(partial)
    try:
        with _damage_is_refused():
            opened = zipfile.ZipFile(archive)
        with opened:
            for info in _checked(opened, size):
                with _damage_is_refused():
                    content = b"".join(_content(opened, info))
                disk.write(partial / info.filename, content)
    except ArchiveError:
        disk.remove(partial)
        raise
    disk.rename(partial, target)


@contextmanager
def _damage_is_refused() -> Iterator[None]:
    """Tell bytes that are no sound zip from a disk that fails; only reads belong inside."""
    try:
        yield
    except DAMAGE as error:
        raise ArchiveError(f"damaged archive: {error}") from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # EINVAL: a stated offset lies before the file's start
            raise
        raise ArchiveError("damaged archive: an offset leaves the file") from error


def _checked(archive: zipfile.ZipFile, size: int) -> list[zipfile.ZipInfo]:
    members = archive.infolist()
    if len(members) > MAX_FILES:
        raise ArchiveError(f"{len(members)} files; at most {MAX_FILES} are allowed")
    faults = [fault for info in members if (fault := _fault(info))]
    folded = {info.filename.casefold() for info in members}
    if len(folded) != len(members):
        faults.append("names that differ by case alone, or not at all")
    if any(str(p) in folded for name in folded for p in PurePosixPath(name).parents):
        faults.append("a file where a folder has to be")
    if "Manifest.json" not in archive.namelist():
        faults.append("no Manifest.json")
    stated = sum(info.file_size for info in members)
    if stated != size:
        faults.append(f"{stated} bytes unpacked; {size} were signed")
    if faults:
        raise ArchiveError("archive refused: " + summary(faults))
    return members


def _fault(info: zipfile.ZipInfo) -> str | None:
    # orig_filename: zipfile cuts names at a NUL and turns the system's separators into slashes.
    name = info.orig_filename
    mode = info.external_attr >> 16
    if fault := _name_fault(name):
        return fault
    if name != info.filename:
        return f"{name!r} has two names"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return f"{name!r} is a link or a special file"
    if info.flag_bits & 1:
        return f"{name!r} is encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"{name!r} is compressed in a way that is not allowed"
    return None


def _name_fault(name: str) -> str | None:
    parts = name.split("/")
    if name.startswith("/") or "\\" in name or "\0" in name or ":" in parts[0]:
        return f"{name!r} is no relative path"
    if any(part in ("", ".", "..") for part in parts):
        return f"{name!r} leaves its folder or names one"
    if len(name) > MAX_NAME or len(parts) > MAX_DEPTH or max(map(len, parts)) > MAX_PART:
        return f"{name[:20] + '...'!r} is too long, or too deep"
    # File systems differ in which spellings of other letters they take for the same.
    if not (name.isascii() and name.isprintable()):
        return f"{name!r} has other letters than printable ASCII"
    return None


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield a file's bytes; zipfile checks the CRC and never gives more than the stated size."""
    left = info.file_size
    with archive.open(info) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            left -= len(chunk)
            yield chunk
    if left:
        raise ArchiveError(f"archive refused: {info.filename!r} has not the size it states")
