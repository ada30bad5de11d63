"""Steps of the stages train_unet, convert and evaluate that DVC runs, and caches, by themselves.

A node of dvc.yaml depends on what its step imports: a step that shared its imports with the whole
stage would run again, fine-tuning included, with every edit of the others. The scripts of the other
stages start here as well, so that arguments which nobody reads are refused.
"""

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from inspect import signature

from ruamel.yaml import YAML

from meishi import paths
from meishi.errors import InputError

STAGE_KEYS = "exports"  # the section with the keys of a stage; those of a step have its name


def run_step_or(main: Callable[..., None], steps: Sequence[str], arguments: Sequence[str]) -> None:
    """Run the step that the first argument names, or the stage's `main` with all arguments.

    Args:
        main: of the stage.
        steps: names of its steps, each a module here with a function `run`.
        arguments: of the command line; those after a step's name go to the step.

    Raises:
        InputError: if these are not the arguments that it takes.
    """
    step = arguments[0] if arguments and arguments[0] in steps else ""
    wanted = _called(main, step)
    given = arguments[1:] if step else arguments
    try:
        signature(wanted).bind(*given)
    except TypeError as error:
        got = f"`{' '.join(arguments)}`" if arguments else "nothing"
        said = [f"arguments: expected {' or '.join(_usages(main, steps))}, got {got}"]
        raise InputError("\n".join([*said, *_keys(main, steps)])) from error
    wanted(*given)


def _called(main: Callable[..., None], step: str) -> Callable[..., None]:
    return import_module(f"{__package__}.{step}").run if step else main


def _usages(main: Callable[..., None], steps: Sequence[str]) -> Iterator[str]:
    for step in ("", *steps):
        names = map(str.upper, signature(_called(main, step)).parameters)
        usage = " ".join(filter(None, [step, *names]))
        yield f"`{usage}`" if usage else "nothing"


def _keys(main: Callable[..., None], steps: Sequence[str]) -> Iterator[str]:
    """Name the keys that there are, for the stage itself and for each step that takes one."""
    for step in ("", *steps):
        if signature(_called(main, step)).parameters and paths.PARAMS.is_file():
            section = step or STAGE_KEYS
            # Not load_params: that would make the section a param of every stage.
            keys = YAML(typ="safe").load(paths.PARAMS)[section]
            yield f"KEY{f' of {step}' if step else ''}: {', '.join(keys)}"
