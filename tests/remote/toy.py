"""A DVC repository of one folder of data and one stage, and the ways to run DVC in it."""

import configparser
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FILES, FILE_BYTES = 24, 150_000
STAGE = """
from pathlib import Path

with open("runs.log", "a") as log:
    log.write("run\\n")
files = sorted(Path("data").iterdir())
Path("model.bin").write_bytes(b"".join(file.read_bytes() for file in files))
"""
PIPELINE = """
stages:
  train:
    cmd: python train.py
    deps: [data, train.py]
    outs: [model.bin]
"""


@dataclass(frozen=True)
class Toy:
    """A working copy.

    Attributes:
        folder: of the repository.
        home: of its user: credentials and known hosts are looked for there.
    """

    folder: Path
    home: Path

    def run(self, *command: str) -> subprocess.CompletedProcess:
        """Run a command in the repository; see `environment`."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
        )

    def dvc(self, *arguments: str) -> str:
        """Run DVC and expect it to succeed: its output."""
        done = self.run("dvc", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def fails(self, *arguments: str) -> str:
        """Run DVC and expect it to fail: what it said."""
        done = self.run("dvc", *arguments)
        assert done.returncode != 0, done.stdout
        return done.stdout + done.stderr

    @property
    def environment(self) -> dict[str, str]:
        """The user's: another home, no credentials of this machine, no state of other copies."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "AZURE_", "GOOGLE_", "DVC_", "SSH_", "GIT_"))
        }
        bin_folder = Path(sys.executable).parent
        return kept | {
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / ".config"),
            "PATH": f"{bin_folder}:{kept['PATH']}",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",  # a dead server is not waited for, minutes an object
            "DVC_SITE_CACHE_DIR": str(self.home / "site-cache"),
            "DVC_NO_ANALYTICS": "1",
        }

    def use(self, url: str, options: dict[str, str]) -> None:
        """Make it the default remote, as `dvc remote add -d --local` does."""
        config = configparser.ConfigParser(interpolation=None)
        config["core"] = {"remote": "team"}
        config["'remote \"team\"'"] = {"url": url, "verify": "true", **options}
        with (self.folder / ".dvc" / "config.local").open("w") as stream:
            config.write(stream)

    def content(self) -> dict[str, bytes]:
        """Read what DVC keeps, as far as it is there, by path."""
        paths = [self.folder / "model.bin", *sorted((self.folder / "data").glob("*"))]
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in paths
            if path.is_file()
        }

    def cached(self) -> dict[str, bytes]:
        """Read the objects of the local cache, by path."""
        cache = self.folder / ".dvc" / "cache" / "files"
        files = (path for path in cache.rglob("*") if path.is_file())
        return {path.relative_to(cache).as_posix(): path.read_bytes() for path in files}

    def wipe(self) -> None:
        """Remove what a fresh clone does not have."""
        for path in ("data", "model.bin", ".dvc/cache", ".dvc/tmp"):
            target = self.folder / path
            shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
        shutil.rmtree(self.home / "site-cache", ignore_errors=True)

    def runs(self) -> int:
        """Count how often the stage has run."""
        return len((self.folder / "runs.log").read_text().splitlines())


def make(folder: Path) -> Toy:
    """Make one whose stage has run once."""
    toy = Toy(folder / "repository", folder / "home")
    toy.folder.mkdir(parents=True)
    toy.home.mkdir()
    (toy.home / ".gitconfig").write_text("[user]\nname = Ann\nemail = ann@example.org\n")
    toy.run("git", "init", "-q", "-b", "main")
    toy.dvc("init", "-q")
    (toy.folder / "data").mkdir()
    rng = np.random.default_rng(0)
    for number in range(FILES):
        (toy.folder / "data" / f"{number:02d}.bin").write_bytes(rng.bytes(FILE_BYTES))
    (toy.folder / "train.py").write_text(STAGE)
    (toy.folder / "dvc.yaml").write_text(PIPELINE)
    toy.dvc("add", "-q", "data")
    toy.dvc("repro", "-q")
    (toy.folder / ".gitignore").open("a").write("/runs.log\n")
    toy.run("git", "add", ".")
    toy.run("git", "commit", "-qm", "Toy")
    return toy


def copy(toy: Toy, folder: Path) -> Toy:
    """Copy one, with its home."""
    twin = Toy(folder / "repository", folder / "home")
    shutil.copytree(toy.folder, twin.folder)
    shutil.copytree(toy.home, twin.home)
    return twin
