"""Private keys of the publishers: Ed25519, one PEM file a key, in a folder outside the repository.

Nothing but the file says what a key is; which role it signs for is looked up in the signed
metadata, by its id. With the environment variable MEISHI_KEYS_PASSWORD the files are encrypted.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.metadata import Role

from meishi.errors import InputError, summary

PASSWORD = "MEISHI_KEYS_PASSWORD"


class KeyringError(InputError):
    """Keys are missing or cannot be read."""


Keyring = dict[str, CryptoSigner]  # by key id


def outside_git(folder: Path) -> Path:
    """Return a folder for private keys, `~` expanded.

    Raises:
        KeyringError: if it lies in a git repository.
    """
    folder = folder.expanduser()
    resolved = folder.resolve()
    for place in (resolved, *resolved.parents):
        if (place / ".git").exists():
            raise KeyringError(
                f"{folder}: inside the git repository {place}; private keys do not belong there: "
                "name a folder outside"
            )
    return folder


def make_key(folder: Path, name: str) -> SSlibKey:
    """Make a key, write it to FOLDER/NAME.pem (mode 0600) and return its public half.

    Raises:
        KeyringError: if there is a file of that name, or one in place of the folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except (FileExistsError, NotADirectoryError) as error:
        raise KeyringError(f"{folder}: is no folder ({error.strerror}); name another") from error
    private = Ed25519PrivateKey.generate()
    password = _password()
    encryption = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    content = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )
    file = folder / f"{name}.pem"
    try:
        opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyringError(f"{file}: exists; a key is never overwritten") from None
    try:
        with os.fdopen(opened, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError:
        file.unlink()  # a part of a key is none, and no other would get its name
        raise
    return SSlibKey.from_crypto(private.public_key())


def load_keys(folders: Iterable[Path]) -> Keyring:
    """Read every key of some folders.

    Raises:
        KeyringError: naming each file that is no key or needs another password.
    """
    keys: Keyring = {}
    faults = []
    for folder in folders:
        if not folder.is_dir():
            faults.append(f"{folder}: no such folder; `meishi collections init` makes one")
            continue
        for file in sorted(folder.glob("*.pem")):
            try:
                signer = read_key(file)
                keys[signer.public_key.keyid] = signer
            except (ValueError, TypeError, OSError) as error:
                faults.append(f"{file}: cannot be read: {error}; is {PASSWORD} right?")
    if faults:
        raise KeyringError(summary(faults))
    return keys


def signers(keys: Keyring, role: str, wanted: Role) -> list[CryptoSigner]:
    """Return the keys at hand that sign for a role.

    Raises:
        KeyringError: if there are fewer than its threshold.
    """
    found = [keys[keyid] for keyid in wanted.keyids if keyid in keys]
    if len(found) < wanted.threshold:
        raise KeyringError(
            f"{role}: needs {wanted.threshold} of its {len(wanted.keyids)} keys, {len(found)} are "
            "at hand; name their folders with --keys"
        )
    return found


def read_key(file: Path) -> CryptoSigner:
    """Read one private key.

    Raises:
        ValueError: if it is no Ed25519 key, or the password is wrong.
    """
    content = file.read_bytes()
    encrypted = b"ENCRYPTED" in content.split(b"\n", 1)[0]
    private = serialization.load_pem_private_key(content, _password() if encrypted else None)
    if not isinstance(private, Ed25519PrivateKey):
        raise ValueError("no Ed25519 key")
    return CryptoSigner(private)


def _password() -> bytes | None:
    return os.environ.get(PASSWORD, "").encode() or None
