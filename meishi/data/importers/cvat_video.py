"""CVAT for video 1.1 (XML): tracks, each a shape frame by frame.

The pictures are those that CVAT puts beside them, frame_000012.PNG, numbered as the tracks number
frames. Key frames, which somebody set, are taken; a frame with a card that CVAT interpolated, or
would interpolate where the file says nothing, is left out and counted (in `choosing`, which knows
the labels of cards). A track that is `outside` is not in the frame. All frames of a clip share one
design and one background.
"""

import math
import posixpath
import re
import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from meishi.data.importers.cvat_shapes import NO_SHAPES, join_groups, read_part
from meishi.data.importers.labelled import LabelledPhoto, Part, Tally
from meishi.data.importers.nodes import parse_number, parse_size

FRAME = re.compile(r"^frame_(\d+)$", re.IGNORECASE)
TASKS = "meta/project/tasks/task"


@dataclass
class _Tracks:
    """What the tracks say of the frames.

    Attributes:
        shapes: those of each frame that some track names.
        interpolated: by frame, the labels of shapes that nobody set.
        gaps: first and last frame of stretches in which a track goes on without being told, and
            its label.
    """

    shapes: dict[int, list[Part]] = field(default_factory=dict)
    interpolated: dict[int, set[str]] = field(default_factory=dict)
    gaps: list[tuple[int, float, str]] = field(default_factory=list)

    def unsure(self, frame: int) -> frozenset[str]:
        """List the labels of shapes of a frame that nobody set, or left away."""
        untold = {label for first, last, label in self.gaps if first <= frame <= last}
        return frozenset(untold | self.interpolated.get(frame, set()))


def video_photos(
    root: ET.Element, name: str, place: str, names: list[str], faults: list[str], tally: Tally
) -> Iterator[LabelledPhoto]:
    """Yield each frame of which there is a picture.

    Args:
        root: of the file.
        name: of the file, inside the source.
        place: of the file, for messages.
        names: the pictures of the source.
        faults: receives what cannot be read, and clips without pictures.
        tally: counts frames that are left out.
    """
    found = _pictures(names, posixpath.dirname(name))
    if why := _why_not(root):
        found = why
    if isinstance(found, str):
        faults.append(f"{place}: it holds the tracks of a video, {found}")
        return
    size_px = _frame_size(root, place, faults)
    tracks = _tracks(root, place, size_px, faults)
    clip = next(iter(clip_names(root, name).values()), posixpath.splitext(name)[0])
    without = tracks.shapes.keys() - found.keys()
    tally.left_out["frames of which there is no picture"] += len(without)
    first, last = _range(root, tracks.shapes)
    if first not in found and last + 1 in found:
        faults.append(
            f"{place}: frames are numbered from {first} to {last}, pictures from another start, to "
            f"{last + 1}; name each picture by the number of its frame, from frame_{first:06} on"
        )
        return
    for number, picture in sorted(found.items()):
        if not first <= number <= last:
            continue
        yield LabelledPhoto(
            picture,
            "",
            f"{place}: frame {number}",
            tuple(join_groups(tracks.shapes.get(number, []))),
            size_px,
            group=clip,
            background=clip,
            unsure=tracks.unsure(number),
        )


def _why_not(root: ET.Element) -> str | None:
    """Say why a file's frames cannot be told from each other; None if they can."""
    if any(mode.text == "annotation" for mode in root.iterfind("meta//mode")):
        return (
            "and its task holds pictures, which tracks number by their order alone; export it as "
            "'CVAT for images 1.1'"
        )
    tracked = {track.get("task_id", "") for track in root.iter("track")}
    stated = {_text(task, "id") for task in root.iterfind(TASKS)}
    if max(len(tracked), len(stated)) > 1:  # each numbers its own frames from 0
        tasks = stated if len(stated) > 1 else tracked
        return f"of the tasks {', '.join(sorted(tasks))}: export each task on its own"
    return None


def _pictures(names: list[str], near: str) -> dict[int, str] | str:
    """List the pictures of frames by number; words when there are none, or two of one number."""
    inside = [n for n in names if not near or n.startswith(f"{near}/")]
    found: dict[int, str] = {}
    for name in inside:
        match = FRAME.match(posixpath.splitext(posixpath.basename(name))[0])
        if match is None:
            continue
        other = found.setdefault(int(match[1]), name)
        if other != name:
            return f"and both {other} and {name} may be its frame {int(match[1])}"
    if not found:
        return (
            "and there are no pictures frame_000000.png, ... of its frames: export it with images, "
            "or as 'CVAT for images 1.1'"
        )
    return found


def _tracks(
    root: ET.Element, place: str, size_px: tuple[int, int] | None, faults: list[str]
) -> _Tracks:
    found = _Tracks()
    for index, track in enumerate(root.iter("track")):
        where = f"{place}: track[{index}]"
        label = track.get("label")
        if not label:
            faults.append(f"{where}: label: expected a text, got nothing")
            continue
        outside: dict[int, bool] = {}
        for element in (e for e in track if e.tag not in NO_SHAPES):
            number = parse_number(element.get("frame"))
            if number is None or number % 1 or number < 0:
                faults.append(f"{where}: {element.tag}: frame: expected a whole number")
                continue
            frame = int(number)
            shapes = found.shapes.setdefault(frame, [])
            flags = element.get("outside", "0"), element.get("keyframe", "1")
            if not {*flags} <= {"0", "1"}:
                faults.append(
                    f"{where}: frame {frame}: outside, keyframe: expected 0 or 1, got {flags}"
                )
                continue
            # A skeleton does not say that it is outside; all of its points do.
            points = element.findall("points") if element.tag == "skeleton" else []
            left = bool(points) and all(point.get("outside") == "1" for point in points)
            outside[frame] = flags[0] == "1" or left
            if outside[frame]:
                continue
            if flags[1] == "0":
                found.interpolated.setdefault(frame, set()).add(label)
            shape_place = f"{where}: frame {frame}: {element.tag}"
            group = track.get("group_id")
            shapes.append(read_part(element, group, label, shape_place, size_px))
        if not _is_alone(outside, root):
            found.gaps += [(first, last, label) for first, last in _gaps(outside)]
    return found


def _gaps(outside: dict[int, bool]) -> list[tuple[int, float]]:
    """List the stretches behind a frame of a track in which the track goes on."""
    frames = sorted(outside)
    nexts = [*frames[1:], math.inf][: len(frames)]
    return [
        (frame + 1, after - 1)
        for frame, after in zip(frames, nexts, strict=True)
        if not outside[frame] and after > frame + 1
    ]


def _is_alone(outside: dict[int, bool], root: ET.Element) -> bool:
    """Tell whether a track is a shape of the last frame but one, of which CVAT writes no end.

    A shape of another frame is followed by one that is outside, a track by all that CVAT
    interpolates.
    """
    stop, step = _stated(root, "stop_frame"), _stated(root, "frame_filter").removeprefix("step=")
    if len(outside) != 1 or not stop.isdecimal():
        return False
    return min(outside) + (int(step) if step.isdecimal() else 1) >= int(stop)


def _frame_size(root: ET.Element, place: str, faults: list[str]) -> tuple[int, int] | None:
    size = root.find("meta//original_size")
    if size is None:
        return None
    stated = size.findtext("width"), size.findtext("height")
    return parse_size(*stated, f"{place}: original_size", faults)


def _range(root: ET.Element, frames: Collection[int]) -> tuple[int, int]:
    """Say which frames were labelled: those of the task, or as far as the tracks go."""
    texts = [_stated(root, key) for key in ("start_frame", "stop_frame")]
    if all(text.isdecimal() for text in texts):
        return int(texts[0]), int(texts[1])
    return min(frames, default=0), max(frames, default=-1)


def clip_names(root: ET.Element, name: str) -> dict[str, str]:
    """Name the clip of each video task: its video file, its task, or the label file; by task id."""
    clips: dict[str, str] = {}
    for task in (e for e in root.iterfind("meta//*") if e.find("mode") is not None):
        if _text(task, "mode") == "interpolation":
            own = _text(task, "source") or _text(root, "meta/source") or _text(task, "name")
            clips[_text(task, "id")] = own or posixpath.splitext(name)[0]
    return clips


def _stated(root: ET.Element, key: str) -> str:
    """Read what is said of the task, the job, or the only task of a project; "" if nothing is."""
    return _text(root, f"meta/*/{key}") or _text(root, f"{TASKS}/{key}")


def _text(element: ET.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()
