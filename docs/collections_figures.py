"""Keep what docs/collections.md shows in step: `python docs/collections_figures.py --write`.

Whatever stands between `<!-- sizes -->` and `<!-- /sizes -->` comes from the packages that are
here, `transcript` from running the commands on the shipped segmenter, `simulation` from
docs/collections.json; tests compare. A new simulation is taken in, figures and curve, with
`--simulation build/simulation/simulation.json COMMIT`. Run it in the root, models restored.
"""

import argparse
import json
import re
import shutil
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from meishi.cli import app
from meishi.collections import archive, gate, layout
from meishi.collections.contract import system_of
from meishi.collections.curve import draw
from meishi.collections.faulty_server import serving
from meishi.coreml.package import spec_path
from meishi.errors import clean_exit

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "collections.md"
REPORT = ROOT / "docs" / "collections.json"
CURVE = ROOT / "docs" / "collections.png"
MODEL = "card-segmenter"
BLOB = b"\xef\xbe\xad\xde"  # how each array of a weights file begins


def sizes() -> str:
    """Lay out archive, files and oldest system of every build of the models as Markdown."""
    lines = ["| model | build | system from | archive | unpacked |", "|---|---|---|---|---|"]
    shipped = 0
    for model in gate.read_config(ROOT / layout.CONFIG).models:
        for build, package in _builds(ROOT / model.package):
            content, unpacked = archive.pack(package)
            shipped += len(content) * (build == "shipped")
            system = system_of(package)
            lines.append(f"| {model.name} | {build} | {system} | {len(content):,} | {unpacked:,} |")
    first = f"What is shipped is a first download of {shipped:,} bytes, of all models."
    return "\n".join(["In bytes:", "", *lines, "", first])


def _builds(package: Path) -> Iterator[tuple[str, Path]]:
    yield "shipped", package
    for variant in sorted((ROOT / "models" / "variants").glob(f"*/{package.name}")):
        if not variant.parent.name.startswith("."):
            yield variant.parent.name, variant


def simulation() -> str:
    """Lay out the figures of the simulation as Markdown."""
    r = json.loads(REPORT.read_text(encoding="utf-8"))
    statuses = ", ".join(f"{name} {count:,}" for name, count in r["statuses"].items())
    turns = f"{min(s['turns'] for s in r['steps'])} to {r['turns_per_step_most']}"
    rows = {
        "devices stuck after a step": (
            f"{r['stuck']} of {r['devices']:,}, over the {len(r['steps'])} steps"
        ),
        "polls after which a device would run a byte that was not signed": (
            f"{r['unverified']} of {r['polls']:,}"
        ),
        "turns until every device was where it should be": (
            f"{turns}, median {r['turns_per_step_median']:g}"
        ),
        "requests a device, all steps": f"{r['requests_per_device']}",
        "bytes of answers a device, all steps": f"{r['received_bytes_per_device']:,}",
        "a poll when nothing is new": (
            f"{r['idle_requests_per_poll']} requests, {r['idle_bytes_per_poll']} bytes of body, "
            "repeats after faults included"
        ),
        "polls": statuses,
        "faults of the network": ", ".join(f"{k} {n:,}" for k, n in r["faults"].items()),
        "time on this host, beside other work": f"{r['seconds'] / 60:.0f} minutes",
    }
    title = f"{r['devices']:,} devices, seed {r['seed']}, at commit {r['commit']}"
    lines = [f"| {title} | |", "|---|---|"]
    return "\n".join(lines + [f"| {name} | {value} |" for name, value in rows.items()])


def transcript() -> str:
    """Publish, promote, spoil and roll back the shipped segmenter; return what was printed."""
    with tempfile.TemporaryDirectory(prefix="meishi-transcript-") as scratch:
        return "```console\n" + "\n".join(_Desk(Path(scratch)).lines()) + "```"


class _Desk:
    """A publisher and two devices in a folder; what they say, without addresses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shipped = ROOT / "models" / "coreml" / "CardSegmenter.mlpackage"
        self.at = ["--at", f"{folder}/public", "--keys", f"{folder}/keys"]

    def lines(self) -> Iterator[str]:
        self._run("init", *self.at)
        yield self._publish(self.shipped, "1.0.0")
        with serving(self.folder / "public") as site:
            yield self._device(site.url, "tester", "--collection staging ")
            yield self._device(site.url, "user")
            yield self._change(f"promote {MODEL} 1.0.0")
            yield self._device(site.url, "user")
            yield self._device(site.url, "user")
            yield self._publish(self._bad(), "1.1.0")
            yield self._change(f"promote {MODEL} 1.1.0 --rollout 100")
            yield self._device(site.url, "user")
            yield self._change(f"rollback {MODEL}")
            yield self._device(site.url, "user")
            yield self._change(f"rollback {MODEL}")
            yield self._device(site.url, "user")
        root = ["--root", f"{self.folder}/keys/root.json"]
        yield self._shown("verify", "...", ["verify", *self.at[:2], *root])

    def _publish(self, package: Path, version: str) -> str:
        words = ["publish", str(package), "--model", MODEL, "--version", version]
        metrics = ["--metrics", str(ROOT / "metrics" / "evaluate.json")]
        config = ["--config", str(ROOT / layout.CONFIG)]
        shown = f"publish {package.name} --version {version}"
        return self._shown(shown, "...", [*words, *metrics, *config, *self.at])

    def _change(self, words: str) -> str:
        return self._shown(words, "...", [*words.split(), *self.at])

    def _device(self, url: str, name: str, collection: str = "") -> str:
        words = f"client {collection}--device {name}"
        root, state = f"{self.folder}/keys/root.json", f"{self.folder}/{name}"
        rest = ["--root", root, "--state", state, "--embedded", f"{MODEL}={self.shipped}"]
        return self._shown(words, "...", [*words.split(), url, *rest])

    def _bad(self) -> Path:
        """Copy the package with weights that are no numbers.

        All of them: some kernels end in fused clippings, which turn NaN into a number.
        """
        bad = self.folder / "Bad.mlpackage"
        shutil.copytree(self.shipped, bad)
        (weights,) = bad.rglob("weight.bin")
        content = bytearray(weights.read_bytes())
        for blob in re.finditer(BLOB, bytes(content)):  # its kind, size and place follow
            size, start = struct.unpack_from("<QQ", content, blob.start() + 8)
            content[start : start + size] = b"\x00\x7e" * (size // 2)  # NaN as fp16
        weights.write_bytes(content)
        assert spec_path(bad).is_file()
        return bad

    def _shown(self, words: str, rest: str, arguments: list[str]) -> str:
        said = self._run(*arguments)
        kept = [line for line in said.splitlines() if not line.startswith("  ")]
        text = "\n".join([f"$ meishi collections {words} {rest}", *kept, ""])
        return text.replace(f"{self.folder}/", "")

    @staticmethod
    def _run(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["collections", *arguments])
        if done.exception:
            raise done.exception
        return done.output


def without_sizes(text: str) -> str:
    """Leave out what changes with every training: numbers of bytes, and a part of the contract."""
    return re.sub(r"[\d,]+ bytes|contract [0-9a-f]{12}", "#", text)


def block(text: str, name: str) -> str:
    """Return what stands between the marks of a block."""
    return _parts(text, name)[1].strip("\n")


def _parts(text: str, name: str) -> tuple[str, str, str]:
    before, rest = text.split(f"<!-- {name} -->")
    content, after = rest.split(f"<!-- /{name} -->")
    return before, content, after


def updated(text: str, **blocks: str) -> str:
    """Return the document with other blocks."""
    for name, content in blocks.items():
        before, _, after = _parts(text, name)
        text = f"{before}<!-- {name} -->\n{content}\n<!-- /{name} -->{after}"
    return text


def take(file: Path, commit: str) -> None:
    """Take a simulation of a commit in: its figures, and its curve as a picture."""
    report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    draw(report, CURVE)
    kept = {**report, "mix": [], "commit": commit}
    REPORT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Print the blocks, or write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--simulation", nargs=2, metavar=("FILE", "COMMIT"))
    given = parser.parse_args()
    if given.simulation:
        take(Path(given.simulation[0]), given.simulation[1])
    made = {"sizes": sizes(), "simulation": simulation(), "transcript": transcript()}
    if given.write or given.simulation:
        text = updated(DOCUMENT.read_text(encoding="utf-8"), **made)
        DOCUMENT.write_text(text, encoding="utf-8")
    else:
        print("\n\n".join(made.values()))


if __name__ == "__main__":
    with clean_exit():
        main()
