"""The command line reads well, is light, and completes in a shell."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from meishi import cli

ROOT = Path(__file__).resolve().parents[2]
RUN = "from meishi.cli import main; main()"
HEAVY = ("tensorflow", "tf_keras", "coremltools", "cv2", "numpy", "dask", "dvc", "gto", "pandas")


def commands(group=None, path=()):
    """Yield every command and group below `meishi`, with the words that call it."""
    group = group or get_command(cli.app)
    for name, command in group.commands.items():
        yield (*path, name), command
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))


COMMANDS = dict(commands())
each_command = pytest.mark.parametrize("words", list(COMMANDS), ids=" ".join)


def meishi(*arguments, **environment):
    command = [sys.executable, "-c", RUN, *arguments]
    surroundings = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "dumb", "COLUMNS": "100"}
    return subprocess.run(
        command, env=surroundings | environment, capture_output=True, text=True, cwd=ROOT
    )


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_command_that_is_stopped_says_a_word_and_by_what_in_its_status(tmp_path, name, status):
    stopped = "import os, signal, meishi.capture.files as f, meishi.cli as c\n"
    stopped += f"f.find_photos = lambda *_: os.kill(os.getpid(), signal.{name})\nc.main()"
    words = ["capture", "photo.jpg", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", stopped, *words], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "interrupted\n")


@pytest.mark.parametrize("threads", ["0", "257", "3000000000"])
def test_threads_that_no_machine_has_are_refused(tmp_path, threads):
    done = meishi("capture", "photo.jpg", "--out", str(tmp_path), "--threads", threads)
    assert done.returncode == 2
    assert "--threads" in done.stderr and "or equal to" in done.stderr


def test_a_command_runs_without_a_place_for_its_faults(tmp_path):
    words = f"capture {tmp_path / 'none.jpg'} --out {tmp_path}"
    done = subprocess.run(["sh", "-c", f"'{sys.executable}' -c '{RUN}' {words} 2>&-"], cwd=ROOT)
    assert done.returncode == 1


@each_command
def test_a_commands_help_is_whole_sentences(words):
    text = COMMANDS[words].help
    assert text and text[0].isupper() and text.strip().endswith(".")


@each_command
def test_every_argument_and_option_is_explained(words):
    for parameter in COMMANDS[words].params:
        if parameter.name != "help":
            text = parameter.help
            assert text and text.rstrip().endswith("."), parameter.name


@each_command
def test_a_summary_fits_a_terminal(words):
    assert len(COMMANDS[words].help.split("\n")[0]) <= 90


@each_command
def test_help_is_printed_without_an_error(words):
    with pytest.raises(SystemExit) as ended:
        get_command(cli.app).main([*words, "--help"], prog_name="meishi")
    assert ended.value.code == 0


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from meishi import cli\n"
        "try:\n    cli.app(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print('heavy:', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "heavy: []"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_shown_for_each_shell(shell):
    done = meishi("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert done.returncode == 0, done.stderr
    assert "complete" in done.stdout.lower()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("meishi ", {" ".join(words) for words in COMMANDS if len(words) == 1}),
        ("meishi re", {"registry", "render", "report"}),
        ("meishi registry ", {"check-ref"}),
        ("meishi capture --th", {"--threads"}),
        ("meishi add-photos --la", {"--labels"}),
    ],
)
def test_a_shell_completes_commands_and_options(typed, offered):
    words = typed.split() if not typed.endswith(" ") else [*typed.split(), ""]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.argv[0] = 'meishi'; {RUN}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ
        | {
            "_MEISHI_COMPLETE": "complete_bash",
            "COMP_WORDS": typed,
            "COMP_CWORD": str(len(words) - 1),
        },
    )
    assert set(done.stdout.split()) == offered, done.stderr


@pytest.mark.parametrize("name", ["capture", "preview"])
def test_the_models_folder_is_said_to_come_from_the_stage_that_writes_it(name):
    [models] = [param for param in COMMANDS[(name,)].params if param.name == "models"]
    assert "tflite/" in models.help and "`freeze`" in models.help
