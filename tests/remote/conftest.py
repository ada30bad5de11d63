"""A toy repository and the servers it is stored on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.remote import servers, toy


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> toy.Toy:
    """A repository whose stage has run; not to be changed."""
    return toy.make(tmp_path_factory.mktemp("toy"))


@pytest.fixture
def repository(made: toy.Toy, tmp_path: Path) -> toy.Toy:
    """A copy of it."""
    return toy.copy(made, tmp_path / "toy")


@pytest.fixture(params=list(servers.SERVERS))
def server(
    request: pytest.FixtureRequest, repository: toy.Toy, tmp_path: Path
) -> Iterator[servers.Server]:
    """A running server, the default remote of the repository."""
    if request.param == "openssh" and not servers.find_sshd():
        pytest.skip("no sshd on this machine: apt-get install openssh-server")
    server = servers.SERVERS[request.param](tmp_path)
    know_host(repository, server, tmp_path / "keys" / "host.pub")
    repository.use(server.url, server.options)
    server.start()
    yield server
    server.kill()


def know_host(repository: toy.Toy, server: servers.Server, key: Path) -> None:
    """Write the server's key where ssh would after a first connection."""
    if key.exists():
        known = repository.home / ".ssh" / "known_hosts"
        known.parent.mkdir(mode=0o700)
        known.write_text(f"[127.0.0.1]:{server.port} {key.read_text()}")
