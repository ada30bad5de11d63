"""Scenes in tasks for worker processes (`processes.workers`)."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from meishi.data.records import Record

SCENES_PER_TASK = 16  # a second of work: handing it out costs little beside it

Job = TypeVar("Job", bound=tuple)  # a scene: its record, and what else is needed of it


def in_tasks(jobs: Iterable[Job]) -> Iterator[list[Job]]:
    """Take jobs by `SCENES_PER_TASK`, in their order."""
    waiting = iter(jobs)
    return iter(lambda: list(islice(waiting, SCENES_PER_TASK)), [])


def task_name(jobs: list[Job]) -> str:
    """Name a task by its first and its last scene."""
    return f"scenes {_record(jobs[0]).id} to {_record(jobs[-1]).id}"


def _record(job: tuple) -> Record:
    return next(part for part in job if isinstance(part, Record))
