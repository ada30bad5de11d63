"""Composing one scene: a camera over a desk, cards, other things, light.

Returns the picture and the exact quads of its cards, projected from the corners on the desk by the
same camera that drew them.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from meishi.scenes import light
from meishi.scenes.artwork import PX_PER_MM, Design
from meishi.scenes.camera import Camera, look_at
from meishi.scenes.canvas import SUPERSAMPLING, Canvas, rectangle, rounded_alpha
from meishi.scenes.objects import THINGS, finger

SIZE_PX = (640, 480)
CARD_COUNTS = ((0, 0.17), (1, 0.43), (2, 0.16), (3, 0.12), (4, 0.12))
SKINS = np.array(
    [[236, 188, 160], [222, 170, 140], [198, 140, 105], [150, 100, 72], [96, 62, 45]], np.float64
)


@dataclass(frozen=True)
class Placed:
    """A card on the desk: its design, corners (own order) and height in mm."""

    design: Design
    corners_mm: np.ndarray
    height_mm: float


@dataclass(frozen=True)
class Scene:
    """A finished scene: RGB uint8 image, quads (own order) with their designs, attributes."""

    image: np.ndarray
    quads_px: list[np.ndarray]
    designs: list[str]
    attributes: dict


def compose(rng: np.random.Generator, surface: np.ndarray, designs: list[Design]) -> Scene:
    """Compose a scene on a surface with some of the given designs."""
    count = int(rng.choice([n for n, _ in CARD_COUNTS], p=[p for _, p in CARD_COUNTS]))
    layout = str(rng.choice(["apart", "touching", "overlapping"], p=[0.72, 0.18, 0.10]))
    cards = arrange(rng, [designs[int(rng.integers(len(designs)))] for _ in range(count)], layout)
    camera, share = frame_cards(rng, cards)
    held = len(cards) == 1 and rng.random() < 0.18
    canvas = Canvas(camera, tuple(rng.normal(0, 0.55, 2)), rng.uniform(1.0, 5.0))
    canvas.ground(surface, rng.uniform(250, 900), rng.uniform(0, 2 * np.pi))
    clutter = scatter(rng, canvas, cards)
    if held:
        canvas.blur(rng.uniform(2, 6))
        hold(rng, canvas, cards[0], beneath=True)
    quads_px = [lay(rng, canvas, card) for card in cards]
    if held:
        hold(rng, canvas, cards[0], beneath=False)
    glossy = [quad for card, quad in zip(cards, quads_px, strict=True) if card.design.glossy]
    image, lights = lit(rng, canvas.finished(), glossy)
    attributes = {
        "cards": count,
        "layout": layout if count > 1 else "single" if count else "empty",
        "share": round(float(share), 3),
        "held": held,
        "clutter": clutter,
        "light": lights,
    }
    return Scene(image, quads_px, [card.design.name for card in cards], attributes)


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
    hulls = [cv2.convexHull(np.float32(c)) for c in (corners, other)]
    shared, _ = cv2.intersectConvexConvex(*hulls)
    allowed = 0.22 if gap_mm < 0 else 0.0
    return shared <= allowed * min(cv2.contourArea(h) for h in hulls) + 1e-3


def frame_cards(rng: np.random.Generator, cards: list[Placed]) -> tuple[Camera, float]:
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
        camera = fit_distance(points, target, wanted, view)
        if camera is None:
            continue
        shares = [visible(camera.project(card.corners_mm)) for card in cards] or [1.0]
        floor = 0.55 if cut else 0.999
        if min(shares) >= floor and readable(camera, cards):
            return camera, frame_share(camera, cards)
    camera = look_at(
        points.mean(axis=0), 2.2 * np.ptp(points, axis=0).max(), 0.1, 0.0, 0.0, 1.0, SIZE_PX
    )
    return camera, frame_share(camera, cards)


def fit_distance(points, target, wanted: float, view: tuple) -> Camera | None:
    """Find the distance at which the hull of the points covers the wanted share of the frame.

    `view` holds tilt, azimuth, roll and focal length, as `look_at` takes them.
    """
    extent = np.ptp(points, axis=0).max()
    low, high = extent * 0.5, extent * 30
    for _ in range(18):
        middle = np.sqrt(low * high)
        camera = look_at(target, middle, *view, SIZE_PX)
        hull = cv2.convexHull(camera.project(points).astype(np.float32))
        share = cv2.contourArea(hull) / (SIZE_PX[0] * SIZE_PX[1])
        low, high = (middle, high) if share > wanted else (low, middle)
    return camera if low > extent * 0.51 and high < extent * 29 else None


def visible(quad_px: np.ndarray) -> float:
    """Return the share of a projected card that lies inside the frame."""
    width, height = SIZE_PX
    window = np.float32([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]])
    shared, _ = cv2.intersectConvexConvex(quad_px.astype(np.float32), window)
    return shared / max(abs(cv2.contourArea(quad_px.astype(np.float32))), 1e-6)


def readable(camera: Camera, cards: list[Placed]) -> bool:
    """Refuse views in which a card is too small or too flat to be captured."""
    for card in cards:
        quad = camera.project(card.corners_mm)
        sides = np.linalg.norm(np.roll(quad, -1, 0) - quad, axis=1)
        if sides.min() < 38 or sides.max() > 1.6 * SIZE_PX[0]:
            return False
        if cv2.contourArea(quad.astype(np.float32)) < 0.018 * SIZE_PX[0] * SIZE_PX[1]:
            return False
    return True


def frame_share(camera: Camera, cards: list[Placed]) -> float:
    """Return the share of the frame that the cards cover."""
    areas = [cv2.contourArea(camera.project(c.corners_mm).astype(np.float32)) for c in cards]
    return sum(areas) / (SIZE_PX[0] * SIZE_PX[1])


def scatter(rng: np.random.Generator, canvas: Canvas, cards: list[Placed]) -> str:
    """Strew other things, beneath the cards where they meet; returns their names."""
    calm = bool(cards) and rng.random() < 0.45
    count = 0 if calm else int(rng.integers(1, 6)) + (2 if not cards else 0)
    if not cards and rng.random() < 0.1:
        count = 0
    corners = (
        np.array([[0, 0], [SIZE_PX[0], 0], SIZE_PX, [0, SIZE_PX[1]]], np.float64) * SUPERSAMPLING
    )
    desk_from_image = np.linalg.inv(canvas.camera.plane())
    desk = cv2.perspectiveTransform(corners[None], desk_from_image)[0]
    names = list(THINGS)
    chosen = [names[i] for i in rng.choice(len(names), count, p=[THINGS[n][1] for n in names])]
    for name in chosen:
        weights = rng.dirichlet(np.ones(4))
        THINGS[name][0](canvas, rng, weights @ desk)
    return " ".join(sorted(set(chosen)))


def lay(rng: np.random.Generator, canvas: Canvas, card: Placed) -> np.ndarray:
    """Draw a card, or a pile of them; returns its quad in pixels of the final image."""
    design = card.design
    image = design.image if rng.random() < 0.85 else worn(rng, design.image)
    size = (image.shape[1], image.shape[0])
    alpha = rounded_alpha(size, design.radius_mm * PX_PER_MM) if design.radius_mm else None
    if card.height_mm > 3:
        quad = canvas.cuboid(
            card.corners_mm, card.height_mm, image, image.mean(axis=(0, 1)) * 0.6 + 90, alpha
        )
    else:
        canvas.flat(card.corners_mm, image, alpha, card.height_mm, shadow=rng.uniform(0.15, 0.6))
        lifted = np.column_stack([card.corners_mm, np.full(4, -card.height_mm)])
        quad = canvas.camera.project(lifted)
    return (quad - (SUPERSAMPLING - 1) / 2) / SUPERSAMPLING


def worn(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Scuff a card: pale rims and scratches."""
    image = image.copy()
    for _ in range(int(rng.integers(2, 12))):
        ends = rng.uniform([0, 0], [image.shape[1], image.shape[0]], (2, 2)).astype(int)
        shade = int(rng.uniform(60, 240))
        cv2.line(
            image,
            tuple(int(v) for v in ends[0]),
            tuple(int(v) for v in ends[1]),
            (shade,) * 3,
            1,
            cv2.LINE_AA,
        )
    return image


def hold(rng: np.random.Generator, canvas: Canvas, card: Placed, beneath: bool) -> None:
    """Put fingers behind the card, or a thumb over one of its edges."""
    skin = SKINS[int(rng.integers(len(SKINS)))] * rng.uniform(0.85, 1.1)
    edge = int(rng.integers(4))
    first, second = card.corners_mm[edge], card.corners_mm[(edge + 1) % 4]
    inwards = np.array([first[1] - second[1], second[0] - first[0]]) / np.linalg.norm(
        second - first
    )
    count = int(rng.integers(2, 5)) if beneath else int(rng.integers(1, 3))
    for _ in range(count):
        along = first + (second - first) * rng.uniform(0.05, 0.95)
        depth = rng.uniform(20, 60) if beneath else rng.uniform(4, 20)
        turn = rng.normal(0, 0.3)
        direction = (
            np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ inwards
        )
        finger(canvas, rng, along + direction * depth, direction, rng.uniform(13, 22), skin)


def lit(
    rng: np.random.Generator, image: np.ndarray, glossy: list[np.ndarray]
) -> tuple[np.ndarray, str]:
    """Light and photograph the drawn scene: (RGB uint8, names of what was applied)."""
    picture, names = image.astype(np.float32), []
    for name, chance, step in (
        ("gradient", 0.7, light.gradient),
        ("spotlight", 0.15, light.spotlight),
        ("hard_shadow", 0.25, light.cast_shadow),
        ("dapple", 0.06, light.dapple),
    ):
        if rng.random() < chance:
            picture = step(rng, picture)
            names.append(name)
    if glossy and rng.random() < 0.6:
        picture = light.glare(rng, picture, glossy)
        names.append("glare")
    picture = light.expose(rng, picture)
    if rng.random() < 0.3:
        picture = light.defocus(rng, picture)
        names.append("blur")
    return np.clip(picture, 0, 255).astype(np.uint8), " ".join(names)
