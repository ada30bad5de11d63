"""Publishing a package: gate, archive, entry; and clearing away what nothing refers to any more."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from meishi.collections import archive, edits, entries, gate, layout, registry
from meishi.collections.entries import Entry
from meishi.collections.repository import Repository, StateError
from meishi.collections.store import ConflictError
from meishi.errors import InputError, summary

KEPT_VERSIONS = 5  # of each role's file, for clients in the middle of an update
_VERSIONED = re.compile(r"metadata/(\d+)\.([a-z]+)\.json")


@dataclass(frozen=True)
class Candidate:
    """A package on disk, and what speaks for it.

    Attributes:
        package: folder.
        model: name.
        version: three numbers.
        metrics: contents of metrics files by name.
        source: where it comes from.
    """

    package: Path
    model: str
    version: str
    metrics: dict[str, bytes]
    source: str


@dataclass(frozen=True)
class Terms:
    """For whom a package is.

    Attributes:
        min_os: oldest system.
        min_app: oldest app.
        max_app: newest app; "" for any.
        variant: "" for the only build.
        rollout: whole percent of the devices.
        notes: release notes.
    """

    min_os: str
    min_app: str
    max_app: str = ""
    variant: str = ""
    rollout: int = 100
    notes: str = ""


ContractOf = Callable[[Path], str]


def publish(
    repository: Repository,
    collection: str,
    candidate: Candidate,
    terms: Terms,
    config: gate.Config,
    contract_of: ContractOf,
) -> Entry:
    """Publish a package to a collection.

    Args:
        repository: with the collection's keys.
        collection: staging or release.
        candidate: to publish.
        terms: for whom.
        config: floors and contracts.
        contract_of: hashes a package's contract.

    Returns:
        The entry.

    Raises:
        InputError: if the gate refuses it, the version is there, keys are missing, the collection
            would be longer than devices accept, or the clock cannot be right.
    """
    wanted = config.model(candidate.model)
    metrics = gate.check_metrics(wanted, gate.read_metrics(candidate.metrics))
    contract = contract_of(candidate.package)
    gate.check_contract(wanted, contract, terms.min_app, terms.max_app, candidate.source)
    content, unpacked = archive.pack(candidate.package)
    sha256 = hashlib.sha256(content).hexdigest()
    entry = Entry(
        model=candidate.model,
        version=candidate.version,
        variant=terms.variant,
        contract=contract,
        min_os=terms.min_os,
        min_app=terms.min_app,
        max_app=terms.max_app,
        unpacked_bytes=unpacked,
        rollout=terms.rollout,
        salt=candidate.version,
        state=entries.LIVE,
        metrics={name: f"{value:.6g}" for name, value in metrics.items()},
        notes=terms.notes,
        source=candidate.source,
    )
    # Once before the archive goes up, so that what is refused leaves nothing behind.
    repository.rehearse(lambda state: edits.add(state, collection, entry, len(content), sha256))
    _upload(repository, sha256, content)
    repository.change(lambda state: edits.add(state, collection, entry, len(content), sha256))
    # An old archive that nothing referred to was there already: `gc` may have removed it meanwhile.
    _upload(repository, sha256, content)
    return entry


def from_tag(repo: Path, tag: registry.Tag, config: gate.Config, folder: Path) -> Candidate:
    """Get what a tag names: package from DVC into `folder`, metrics from git.

    Raises:
        InputError: if the tag, its model or a file is unknown.
    """
    wanted = config.model(tag.model)
    files = {bound.metric.split(":")[0] for bound in wanted.bounds}
    registry.require_tag(repo, tag)
    metrics = registry.metrics_at(repo, tag, files)
    digest = registry.hash_at(repo, tag, wanted.package)
    package = registry.package_at(repo, tag, wanted.package, folder)
    return Candidate(package, tag.model, tag.version, metrics, f"{tag.name} dvc:{digest}")


def from_folder(package: Path, model: str, version: str, metrics: list[Path]) -> Candidate:
    """Take a package that lies here.

    Raises:
        InputError: if there is no package, if what a tag would tell is not given or the version is
            none, or if a metrics file cannot be read.
    """
    if faults := _faults(package, model, version):
        raise InputError(summary(faults))
    stems = [file.stem for file in metrics]
    if twice := sorted({stem for stem in stems if stems.count(stem) > 1}):
        raise InputError(
            f"--metrics: several files are called {', '.join(twice)}; name one of each"
        )
    try:
        contents = {file.stem: file.read_bytes() for file in metrics}
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read: {error.strerror}") from error
    return Candidate(package, model, version, contents, f"folder {package.name}")


def _faults(package: Path, model: str, version: str) -> list[str]:
    """Say what keeps a folder from being published: all of it at once."""
    faults = []
    if not package.is_dir():
        here = "a file" if package.exists() else "nothing here"
        faults.append(
            f"{package}: neither a tag MODEL@vVERSION, as card-detector@v1.4.0, nor a package: "
            f"expected the folder of an .mlpackage, got {here}"
        )
    given = {"--model": model, "--version": version}
    if missing := [option for option, value in given.items() if not value]:
        faults.append(
            f"{', '.join(missing)}: not given; what is no tag needs {' and '.join(given)}"
        )
    if version and not layout.is_version(version):
        faults.append(f"--version {version!r}: expected three numbers, as 1.4.0")
    return faults


def require_archives(
    repository: Repository, source: str, to: str, model: str, version: str
) -> None:
    """Look whether the store holds what is promoted, before it is listed anywhere else.

    Raises:
        StateError: if an archive is missing or not what was signed, or the version is not there.
    """
    found = edits.promotable(repository.load(), model, version, source, to)
    needed = entries.needed_archives(found)
    if faults := repository.archive_faults(found, needed):
        raise StateError(summary(faults))


def collect_garbage(repository: Repository, min_age_s: float) -> list[str]:
    """Remove archives and old metadata that no client needs.

    Kept are all roots, the last versions of each role, and whatever is younger than `min_age_s`: a
    publisher at work has files that nothing refers to yet. What a write that was cut short left
    goes, too.

    Returns:
        The paths that were removed.
    """
    state = repository.load()
    offers = [offer for name in layout.COLLECTIONS for offer in edits.offers(state, name)]
    used = entries.needed_archives(offers)
    versions = {role: metadata.signed.version for role, metadata in state.roles().items()}
    versions["snapshot"] = state.snapshot.signed.version
    gone = []
    for path, age in repository.store.ages("archives", repository.now).items():
        if path not in used and age > min_age_s:
            gone.append(path)
    for path, age in repository.store.ages("metadata", repository.now).items():
        match = _VERSIONED.fullmatch(path)
        if match and match[2] in versions and age > min_age_s:
            if int(match[1]) <= versions[match[2]] - KEPT_VERSIONS:
                gone.append(path)
    for folder in ("archives", "metadata"):
        left = repository.store.leftovers(folder, repository.now)
        gone += [path for path, age in left.items() if age > min_age_s]
    for path in gone:
        repository.store.remove(path)
    return gone


def _upload(repository: Repository, sha256: str, content: bytes) -> None:
    path = layout.archive_path(sha256)
    try:
        repository.store.create(path, content)
    except ConflictError:
        there = repository.store.read(path)
        if there is None or hashlib.sha256(there).hexdigest() != sha256:
            raise InputError(
                f"{path}: the store holds other bytes under this name; remove the file"
            ) from None
