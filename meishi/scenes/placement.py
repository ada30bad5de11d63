"""Where cards lie on the desk, and the camera that sees them.

Cards are laid side by side with the gaps a layout asks for; the camera then moves until they fill
the wanted share of the frame. A view in which a card could not be captured is drawn again.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from meishi.geometry import quads
from meishi.scenes.artwork import Design
from meishi.scenes.camera import Camera, look_at
from meishi.scenes.canvas import rectangle

SIZE_PX = (640, 480)
OVERLAP_SHARE = 0.22  # of the smaller card, at most, where a layout overlaps cards


@dataclass(frozen=True)
class Placed:
    """A card on the desk: its design, corners (own order) and height in mm."""

    design: Design
    corners_mm: np.ndarray
    height_mm: float


def arrange(rng: np.random.Generator, designs: list[Design], layout: str) -> list[Placed]:
    """Lay cards side by side on the desk, with the gaps that the layout asks for."""
    gap = {"apart": (4, 40), "touching": (0, 0.8), "overlapping": (-14, -3)}[layout]
    heading = rng.choice([0.0, np.pi / 2, np.pi, -np.pi / 2], p=[0.72, 0.1, 0.08, 0.1])
    placed: list[Placed] = []
    for design in designs:
        askew = layout == "apart" and rng.random() < (0.25 if len(designs) == 1 else 0.5)
        turn = heading + rng.normal(0, 0.5 if askew else 0.06)
        for _ in range(60):
            centre = beside(rng, placed, design.size_mm, turn, gap)
            corners = rectangle(centre, design.size_mm, turn)
            if all(clear(corners, other.corners_mm, gap[0]) for other in placed):
                thick = (
                    rng.uniform(4, 18)
                    if len(designs) == 1 and rng.random() < 0.07
                    else rng.uniform(0.2, 1.2)
                )
                placed.append(Placed(design, corners, float(thick)))
                break
    return placed


def beside(rng, placed: list[Placed], size_mm, turn: float, gap) -> np.ndarray:
    """Propose a centre next to one of the cards already there."""
    if not placed:
        return np.zeros(2)
    other = placed[int(rng.integers(len(placed)))].corners_mm
    edge = int(rng.integers(4))
    first, second = other[edge], other[(edge + 1) % 4]
    outwards = np.array([second[1] - first[1], first[0] - second[0]]) / np.linalg.norm(
        second - first
    )
    reach = np.abs(rectangle((0, 0), size_mm, turn) @ outwards).max()
    along = rng.uniform(-0.25, 0.25) * (second - first)
    return (first + second) / 2 + along + outwards * (reach + rng.uniform(*gap))


def clear(corners: np.ndarray, other: np.ndarray, gap_mm: float) -> bool:
    """Tell whether two cards overlap no more than the layout allows."""
    smaller = min(abs(quads.area(corners)), abs(quads.area(other)))
    allowed = OVERLAP_SHARE if gap_mm < 0 else 0.0
    return quads.intersection(corners, other) <= allowed * smaller + 1e-3


def frame_cards(
    rng: np.random.Generator, cards: list[Placed], size_px: tuple[int, int] = SIZE_PX
) -> tuple[Camera, float]:
    """Choose a camera so that the cards fill the wanted share of the frame and stay visible."""
    points = (
        np.concatenate([c.corners_mm for c in cards]) if cards else rectangle((0, 0), (120, 80), 0)
    )
    cut = rng.random() < 0.15
    for attempt in range(200):
        tilt = rng.beta(1.2, 3.2) * np.deg2rad(60)
        roll = rng.normal(0, 0.12) if rng.random() < 0.7 else rng.uniform(-np.pi, np.pi)
        target = points.mean(axis=0) + rng.normal(0, 0.07 if not cut else 0.3, 2) * np.ptp(
            points, axis=0
        )
        # A user fills the frame with one card; the wish shrinks until the view is possible.
        wanted = (
            np.clip(rng.beta(2.6, 1.2) if len(cards) == 1 else rng.beta(1.7, 2.0), 0.05, 0.9)
            * 0.98**attempt
        )
        view = (tilt, rng.uniform(0, 2 * np.pi), roll, rng.uniform(0.75, 1.3))
        camera = fit_distance(points, target, wanted, view, size_px)
        if camera is None:
            continue
        shares = [visible(camera.project(card.corners_mm), size_px) for card in cards] or [1.0]
        floor = 0.55 if cut else 0.999
        if min(shares) >= floor and readable(camera, cards):
            return camera, frame_share(camera, cards)
    camera = look_at(
        points.mean(axis=0), 2.2 * np.ptp(points, axis=0).max(), 0.1, 0.0, 0.0, 1.0, size_px
    )
    return camera, frame_share(camera, cards)


def fit_distance(
    points, target, wanted: float, view: tuple, size_px: tuple[int, int] = SIZE_PX
) -> Camera | None:
    """Find the distance at which the hull of the points covers the wanted share of the frame.

    `view` holds tilt, azimuth, roll and focal length, as `look_at` takes them, but the last in
    units of the longer side: a camera that is held upright is the same camera.
    """
    tilt, azimuth, roll, focal = view
    focal *= max(size_px) / size_px[0]
    extent = np.ptp(points, axis=0).max()
    low, high = extent * 0.5, extent * 30
    for _ in range(18):
        middle = np.sqrt(low * high)
        camera = look_at(target, middle, tilt, azimuth, roll, focal, size_px)
        hull = cv2.convexHull(camera.project(points).astype(np.float32))
        share = cv2.contourArea(hull) / (size_px[0] * size_px[1])
        low, high = (middle, high) if share > wanted else (low, middle)
    return camera if low > extent * 0.51 and high < extent * 29 else None


def visible(quad_px: np.ndarray, size_px: tuple[int, int] = SIZE_PX) -> float:
    """Return the share of a projected card that lies inside the frame."""
    return quads.visible_share(quads.to_relative(quad_px, size_px))


def readable(camera: Camera, cards: list[Placed]) -> bool:
    """Refuse views in which a card is too small or too flat to be captured."""
    for card in cards:
        quad = camera.project(card.corners_mm)
        sides = np.linalg.norm(np.roll(quad, -1, 0) - quad, axis=1)
        width, height = camera.size_px
        if sides.min() < 38 or sides.max() > 1.6 * max(width, height):
            return False
        if cv2.contourArea(quad.astype(np.float32)) < 0.018 * width * height:
            return False
    return True


def frame_share(camera: Camera, cards: list[Placed]) -> float:
    """Return the share of the frame that the cards cover."""
    areas = [cv2.contourArea(camera.project(c.corners_mm).astype(np.float32)) for c in cards]
    return sum(areas) / (camera.size_px[0] * camera.size_px[1])
