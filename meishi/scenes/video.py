"""A rendered video: the cards of one scene under a moving camera, with the exact quads per frame.

Composited scenes only. Design, surface and light are those of `compose`'s parts; the camera sways
as a hand does, or stands still. Each frame gets the noise of a sensor of its own. There are neither
hands nor other things, no motion blur and no rolling shutter.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from meishi.errors import InputError
from meishi.pictures.videos import MAX_FPS
from meishi.scenes import artwork, light, surfaces
from meishi.scenes.camera import Camera, look_at
from meishi.scenes.canvas import Canvas
from meishi.scenes.compose import lay
from meishi.scenes.placement import SIZE_PX, Placed, arrange, fit_distance, readable, visible

MAX_CARDS = 4
ATTEMPTS = 200
MOTIONS = {"still": 0.0, "hand": 1.0}
NOISE = 3.0  # standard deviation of the sensor at mid grey, of 255
# The sway of a hand: amplitudes at strength 1, and how often a second the slowest swings.
SHIFT, ZOOM, TILT, TURN, SLOWEST_HZ = 0.10, 0.10, 0.12, 0.25, 0.23


@dataclass(frozen=True)
class Clip:
    """What to render: how many cards and frames, the motion (key of MOTIONS), and the seed."""

    cards: int = 4
    frames: int = 300
    motion: str = "hand"
    seed: int = 20261
    fps: float = 30.0

    def __post_init__(self) -> None:
        """Refuse what cannot be rendered, by name."""
        if not 0 <= self.cards <= MAX_CARDS:
            raise InputError(f"cards: expected 0 to {MAX_CARDS}, got {self.cards}")
        if self.frames < 1:
            raise InputError(f"frames: expected 1 at least, got {self.frames}")
        if self.motion not in MOTIONS:
            raise InputError(f"motion: expected {' or '.join(MOTIONS)}, got {self.motion!r}")
        if self.seed < 0:
            raise InputError(f"seed: expected 0 at least, got {self.seed}")
        if not 0 < self.fps <= MAX_FPS:
            raise InputError(f"fps: expected more than 0 and {MAX_FPS:g} at most, got {self.fps}")


@dataclass(frozen=True, eq=False)
class Shot:
    """A frame: RGB uint8 image and the quads of its cards, (4, 2) px, in the cards' own order."""

    image: np.ndarray
    quads_px: list[np.ndarray]


@dataclass(frozen=True, eq=False)
class _Desk:
    """What stays the same from frame to frame."""

    cards: list[Placed]
    surface: np.ndarray
    span_mm: float
    turn: float
    light: tuple[float, float]
    softness_mm: float
    path: list[Camera]


def shots(clip: Clip) -> Iterator[Shot]:
    """Render the frames of a clip in order; the same clip gives the same frames."""
    desk = _desk(clip)
    for number, camera in enumerate(desk.path):
        # The look of the cards and the light are drawn anew from one stream: they do not change.
        look = np.random.default_rng([clip.seed, 21])
        canvas = Canvas(camera, desk.light, desk.softness_mm)
        canvas.ground(desk.surface, desk.span_mm, desk.turn)
        quads_px = [lay(look, canvas, card) for card in desk.cards]
        picture = light.expose(look, light.gradient(look, canvas.finished().astype(np.float32)))
        yield Shot(_sensed(np.random.default_rng([clip.seed, 22, number]), picture), quads_px)


def _sensed(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Add photon noise, whose variance grows with the light, and read noise."""
    deviation = NOISE * np.sqrt(0.2 + 0.8 * picture / 127.5)
    noise = rng.standard_normal(picture.shape, dtype=np.float32)
    return np.clip(picture + deviation * noise + 0.5, 0, 255).astype(np.uint8)


def _desk(clip: Clip) -> _Desk:
    """Lay out a desk of which each frame shows all cards whole."""
    pen = np.random.default_rng([clip.seed, 19])
    designs = [artwork.draw_design(f"d{i}", pen, []) for i in range(clip.cards)]
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng([clip.seed, 20, attempt])
        cards = arrange(rng, designs, "apart")
        path = _path(rng, cards, clip) if len(cards) == clip.cards else None
        if path is not None:
            surface = surfaces.paint(rng)[1]
            span_mm, turn = rng.uniform(250, 900), rng.uniform(0, 2 * np.pi)
            shadow = (float(rng.normal(0, 0.55)), float(rng.normal(0, 0.55)))
            return _Desk(cards, surface, span_mm, turn, shadow, rng.uniform(1.0, 5.0), path)
    raise InputError(f"seed {clip.seed}: no camera path keeps all cards in view; try another seed")


def _path(rng: np.random.Generator, cards: list[Placed], clip: Clip) -> list[Camera] | None:
    """Sway round a view of all cards; None if a card leaves the frame or becomes unreadable."""
    points = (
        np.concatenate([card.corners_mm for card in cards])
        if cards
        else np.array([[-60.0, -40.0], [60.0, -40.0], [60.0, 40.0], [-60.0, 40.0]])
    )
    tilt, azimuth = rng.uniform(0.05, 0.5), rng.uniform(0, 2 * np.pi)
    roll, focal, share = rng.normal(0, 0.1), rng.uniform(0.75, 1.1), rng.uniform(0.3, 0.5)
    target = points.mean(axis=0)
    base = fit_distance(points, target, share, (tilt, azimuth, roll, focal))
    if base is None:
        return None
    depth = float(base.matrix[2] @ [*target, 0.0, 1.0])
    extent = float(np.ptp(points, axis=0).max())
    cameras = []
    for sway in _sways(rng, clip) * MOTIONS[clip.motion]:
        centre = target + SHIFT * extent * sway[:2]
        distance = depth * (1 + ZOOM * sway[2])
        turned = (max(0.0, tilt + TILT * sway[3]), azimuth + TURN * sway[4], roll + TURN * sway[5])
        cameras.append(look_at(centre, distance, *turned, focal, SIZE_PX))
    return cameras if all(_shows(camera, cards) for camera in cameras) else None


def _shows(camera: Camera, cards: list[Placed]) -> bool:
    whole = all(visible(camera.project(card.corners_mm)) > 0.999 for card in cards)
    return whole and readable(camera, cards)


def _sways(rng: np.random.Generator, clip: Clip) -> np.ndarray:
    """Swing smoothly on six axes: (frames, 6), each within [-1, 1]."""
    seconds = np.arange(clip.frames)[:, None] / clip.fps
    total = np.zeros((clip.frames, 6))
    for octave, weight in enumerate((0.6, 0.3, 0.1)):
        rate = SLOWEST_HZ * 2.0**octave * rng.uniform(0.8, 1.25, 6)
        total += weight * np.sin(2 * np.pi * (rate * seconds + rng.random(6)))
    return total
