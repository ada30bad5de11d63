"""What lies where in a published folder, who signs what, and for how long it holds.

    metadata/timestamp.json           the one file that is ever replaced
    metadata/N.root.json ...          one file a version, written once
    archives/SHA256.zip               one file a package, named by its content

A target is named `COLLECTION/MODEL/VERSION.zip`, or `COLLECTION/MODEL/VERSION.VARIANT.zip`: each
collection is a delegated role that may sign names of its own only. The bytes are found by their
sha256, so a promotion moves none.
"""

import re
from pathlib import Path

from meishi.errors import InputError

STAGING, RELEASE = "staging", "release"
COLLECTIONS = (STAGING, RELEASE)
TIMESTAMP = "metadata/timestamp.json"
CONFIG = Path("collections.yaml")  # in the repository: floors and contracts, see gate.py

# Role: (number of keys, threshold) that `init` makes.
KEYS = {
    "root": (3, 2),
    "timestamp": (1, 1),
    "snapshot": (1, 1),
    "targets": (1, 1),
    STAGING: (1, 1),
    RELEASE: (3, 2),
}
# Days until a signed file expires. The timestamp's is how long a frozen mirror stays unnoticed.
EXPIRY_DAYS = {
    "root": 365,
    "timestamp": 7,
    "snapshot": 30,
    "targets": 180,
    STAGING: 180,
    RELEASE: 180,
}

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_VERSION = re.compile(r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})")
_DOTTED = re.compile(r"(0|[1-9][0-9]{0,8})(\.(0|[1-9][0-9]{0,8})){0,2}")
LONGEST_NAME = 64


def metadata_path(role: str, version: int) -> str:
    """Return where a version of a role's file lies."""
    return f"metadata/{version}.{role}.json"


def archive_path(sha256: str) -> str:
    """Return where a package's archive lies."""
    return f"archives/{sha256}.zip"


def target_path(collection: str, model: str, version: str, variant: str) -> str:
    """Return the name under which a collection signs a package."""
    return f"{collection}/{model}/{version}{f'.{variant}' if variant else ''}.zip"


def pattern(collection: str) -> str:
    """Return the names that a collection's keys may sign (TUF path pattern)."""
    return f"{collection}/*/*"


def is_name(text: str) -> bool:
    """Tell whether this can name a model or a variant: lower case words joined by hyphens."""
    return len(text) <= LONGEST_NAME and _NAME.fullmatch(text) is not None


def is_version(text: str) -> bool:
    """Tell whether this is a model's version: three numbers, as 1.4.0."""
    return _VERSION.fullmatch(text) is not None


def is_dotted(text: str) -> bool:
    """Tell whether this is a version of an app or a system: one to three numbers, as 17.4."""
    return _DOTTED.fullmatch(text) is not None


def number(version: str) -> tuple[int, int, int]:
    """Return a version as numbers that compare; missing ones are 0.

    Raises:
        InputError: if it is not one to three numbers.
    """
    if not is_dotted(version):
        raise InputError(f"version {version!r}: expected one to three numbers, as 17.4 or 1.4.0")
    major, minor, patch = [int(part) for part in version.split(".")] + [0] * (
        2 - version.count(".")
    )
    return major, minor, patch


def checked_collection(name: str) -> str:
    """Return the name of a collection.

    Raises:
        InputError: if there is none of that name.
    """
    if name not in COLLECTIONS:
        raise InputError(f"collection {name!r}: expected one of {', '.join(COLLECTIONS)}")
    return name
