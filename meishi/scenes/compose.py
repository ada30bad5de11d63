"""Composing one scene: a camera over a desk, cards, other things, light.

Returns the picture and the exact quads of its cards, projected from the corners on the desk by the
same camera that drew them.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from meishi.scenes import light
from meishi.scenes.artwork import Design
from meishi.scenes.canvas import SUPERSAMPLING, Canvas, Ground, rounded_alpha
from meishi.scenes.hands import hold
from meishi.scenes.objects import THINGS
from meishi.scenes.pen import PX_PER_MM
from meishi.scenes.placement import Placed, arrange, frame_cards

CARD_COUNTS = ((0, 0.17), (1, 0.43), (2, 0.16), (3, 0.12), (4, 0.12))


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
        "cards": len(cards),
        "layout": layout_name(layout, len(cards)),
        "share": round(float(share), 3),
        "held": held,
        "clutter": clutter,
        "light": lights,
    }
    return Scene(image, quads_px, [card.design.name for card in cards], attributes)


def layout_name(layout: str, cards: int) -> str:
    """Name how cards lie: a layout is that of two at least."""
    return layout if cards > 1 else "single" if cards else "empty"


def scatter(rng: np.random.Generator, canvas: Ground, cards: list[Placed]) -> str:
    """Strew other things, beneath the cards where they meet; returns their names."""
    calm = bool(cards) and rng.random() < 0.45
    count = 0 if calm else int(rng.integers(1, 6)) + (2 if not cards else 0)
    if not cards and rng.random() < 0.1:
        count = 0
    width, height = canvas.camera.size_px
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
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
