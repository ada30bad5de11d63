"""Steps of the stages train_unet, convert and evaluate that DVC runs, and caches, by themselves.

A node of dvc.yaml depends on what its step imports: a step that shared its imports with the whole
stage would run again, fine-tuning included, with every edit of the others.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from inspect import signature

from meishi.errors import InputError


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
    wanted = import_module(f"{__package__}.{step}").run if step else main
    given = arguments[1:] if step else arguments
    try:
        signature(wanted).bind(*given)
    except TypeError as error:
        usage = " ".join([step, *map(str.upper, signature(wanted).parameters)]).strip()
        raise InputError(f"arguments: expected `{usage}`, got `{' '.join(arguments)}`") from error
    wanted(*given)
