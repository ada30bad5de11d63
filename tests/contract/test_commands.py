"""Each command of the documents is run by a test, or stands here with the reason why not."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TREE = "dvc.yaml params.yaml dvc.lock"
EXPERIMENTING = "docs/experimenting.md"
OWN_PHOTOS = "tests/smoke/test_own_photos.py"
REGISTRY = "tests/contract/test_registry.py"

# How a command begins: the test file that runs it, or what it calls, and words of that file.
RUN_BY = {
    "make repro": ("tests/unit/test_reproduce.py", "reproduce.main()"),
    "make test": (".ci/run", "make test"),
    "make smoke": (".github/workflows/test.yaml", "make smoke"),
    "make report": ("tests/smoke/test_pull_request.py", "for name in STEPS"),
    ".venv/bin/meishi capture": ("tests/unit/test_capture_files.py", '"capture", str(photo)'),
    "meishi capture": ("tests/unit/test_capture_files.py", '"capture", str(photo)'),
    "meishi inspect": ("tests/model/test_coreml_network.py", '["inspect", str(path)]'),
    "meishi predict": ("tests/model/test_coreml_inputs.py", 'command("predict", saved'),
    "dvc repro": ("tests/smoke/test_what_runs.py", '"dvc repro"'),
    "dvc exp run -S train_ssd.epochs=1": ("tests/smoke/test_experiments.py", "train_ssd.epochs=1"),
    "dvc metrics diff": ("tests/smoke/test_experiments.py", "commands(DOCUMENT"),
    "meishi gate": ("tests/smoke/test_pull_request.py", "for name in STEPS"),
    "meishi pr-report": ("tests/smoke/test_pull_request.py", "for name in STEPS"),
    "meishi model-card": ("tests/unit/test_model_card.py", 'invoke(cli.app, ["model-card"])'),
    "python docs/results.py --write": ("tests/contract/test_docs.py", "results.updated(text(file)"),
    "python docs/collections_figures.py --write": (
        "tests/model/test_collections_packages.py",
        "collections_figures",
    ),
    "meishi add-photos": (OWN_PHOTOS, "for command in commands()"),
    "dvc add data": (OWN_PHOTOS, "for command in commands()"),
    ".venv/bin/meishi preview": ("tests/unit/test_preview.py", '"preview", "a.mp4"'),
    "meishi preview": ("tests/unit/test_preview.py", '"preview", "a.mp4"'),
    "meishi render --video": ("tests/unit/test_scene_video.py", '"render", "--video"'),
    "meishi bench-coreml": ("tests/model/test_device_benchmark.py", '"bench-coreml", str(package)'),
    "meishi benchmark": ("tests/model/test_peer.py", '"benchmark", "--rounds"'),
    "meishi collections": ("tests/unit/test_collections_cli.py", '["collections", *arguments]'),
    "git switch -c desk-photos": (OWN_PHOTOS, "for command in commands()"),
    "make push": (OWN_PHOTOS, "for command in commands()"),
    "git add data.dvc": (OWN_PHOTOS, "for command in commands()"),
    'git commit -m "Train': (OWN_PHOTOS, "for command in commands()"),
    "git push -u origin desk-photos": (OWN_PHOTOS, "for command in commands()"),
    "meishi continue": ("tests/model/test_continuing.py", '["continue", str(source)'),
    "gto ": (REGISTRY, '"## Register a model'),
    "meishi registry check-ref": (REGISTRY, '"## Register a model'),
    "for tag in $(git tag": (REGISTRY, '"## Register a model'),
    "dvc artifacts get": (REGISTRY, '"## Register a model'),
    "dvc remote": ("tests/contract/test_docs.py", 'blocks("remotes.md", "Set it up"'),
    "dvc push": ("tests/contract/test_docs.py", 'blocks("remotes.md", "Move to it"'),
    "dvc pull": ("tests/contract/test_docs.py", 'blocks("remotes.md", "Move back"'),
}
NOT_RUN = {
    "git clone <this repository>": "CI clones; the address is the reader's",
    "source .venv/bin/activate": "changes the shell only",
    "make retrain": "takes more than an hour; `make smoke` runs the same stages",
    "pip download": "needs a package index; test_docs compares the names with the code",
    "pip install -r requirements-": "`make test` installs each of them by requirements-dev.txt",
    "npm pack": "needs a package index",
    "meishi render": "needs the wheels; tests/unit/test_scenes.py, test_tracing.py render scenes",
    "meishi weights": "needs the wheel",
    "export TF_CONFIG=": "needs two machines; tests/model/test_distribution.py has two processes",
    "python stages/train_ssd.py && ": "the same",
    "dask scheduler": "tests/unit/test_workers.py starts a cluster by its Python interface",
    'git commit -m "Remote': "commits the reader's own remote",
    "dask worker": "tests/unit/test_workers.py starts a cluster by its Python interface",
}


def lines(document: Path) -> list[str]:
    """List the command lines of a document: fenced blocks without a language, but for the tree."""
    text = document.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.M | re.S)
    commands = [block for language, block in blocks if not language and TREE not in block]
    whole = (block.replace("\\\n", " ") for block in commands)
    return [line for block in whole for line in block.splitlines() if line]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_command_is_run_by_a_test_or_it_is_said_why_not(document):
    if str(document.relative_to(ROOT)) == EXPERIMENTING:
        return  # tests/smoke/test_experiments.py runs each but the last, a job of CI
    known = (*RUN_BY, *NOT_RUN)
    assert [line for line in lines(document) if not line.startswith(known)] == []


@pytest.mark.parametrize("command", RUN_BY)
def test_the_test_that_is_named_runs_it(command):
    file, words = RUN_BY[command]
    assert words in (ROOT / file).read_text(encoding="utf-8")


def test_no_command_stands_here_that_no_document_has():
    found = [line for document in DOCUMENTS for line in lines(document)]
    known = [*RUN_BY, *NOT_RUN]
    assert [name for name in known if not any(line.startswith(name) for line in found)] == []
