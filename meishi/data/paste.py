"""Copy-paste: a card of another scene laid onto this one, beside its cards or touching one."""

import numpy as np

from meishi.data import cutout
from meishi.data.pool import Donor
from meishi.data.records import MAX_CARDS
from meishi.geometry import quads
from meishi.pictures import images
from meishi.recipe import PasteParams

TRIES = 10
MAX_ENLARGEMENT = 1.5  # of a donor's pixels: beyond it the pasted card is told by its blur
FOCAL = 0.9  # of the view that a pasted card is tilted in, relative to the photo's longer side


def paste(
    image: np.ndarray,
    card_quads: np.ndarray,
    donor: Donor,
    params: PasteParams,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Lay a donor onto a scene.

    Args:
        image: (H, W, 3) RGB uint8, left as it is.
        card_quads: (N, 4, 2) relative.
        donor: of another scene.
        params: size, turn, tilt, shadow.
        rng: of this sample.

    Returns:
        The scene with one more card and (N + 1, 4, 2) quads, the new one last and canonical; or
        what was given, if there is no room.
    """
    size_px = (image.shape[1], image.shape[0])
    card = images.decode(donor.content, donor.scene)
    card_px = (card.shape[1], card.shape[0])
    quad_px = find_place(card_quads, card_px, size_px, params, rng)
    if quad_px is None:
        return image, card_quads
    image = image.copy()
    factor = cutout.gain(donor.light, cutout.brightness(image))
    cutout.cast_shadow(image, quad_px, params.shadow, rng)
    cutout.lay_flat(image, card, quad_px, factor)
    added = quads.canonical(quad_px)
    return image, np.concatenate([card_quads, quads.to_relative(added, size_px)[None]])


def find_place(
    card_quads: np.ndarray,
    card_px: tuple[int, int],
    size_px: tuple[int, int],
    params: PasteParams,
    rng: np.random.Generator,
) -> np.ndarray | None:
    """Draw where a card may lie: whole in the frame, free of every other card.

    Args:
        card_quads: (N, 4, 2) of the scene, relative.
        card_px: (width, height) of the flat card.
        size_px: of the scene.
        params: size, turn and tilt.
        rng: of this sample.

    Returns:
        (4, 2) in pixels of the scene, clockwise from the card's own top left corner; None if
        none was free within TRIES.
    """
    if len(card_quads) >= MAX_CARDS:
        return None
    for _ in range(TRIES):
        shape = draw_shape(card_px, size_px, params, rng)
        room = np.array(size_px) - 1 - np.ptp(shape, axis=0)
        if (room < 0).any():
            continue
        quad_px = shape - shape.min(axis=0) + rng.uniform(0, 1, 2) * room
        if not cutout.is_free(quads.to_relative(quad_px, size_px), card_quads):
            continue
        if len(card_quads) and rng.random() < params.touch:
            quad_px = approach(quad_px, quads.to_px(card_quads, size_px))
        if quads.visible_share(quads.to_relative(quad_px, size_px)) > 0.999:
            return quad_px
    return None


def draw_shape(
    card_px: tuple[int, int],
    size_px: tuple[int, int],
    params: PasteParams,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw a card's size, turn and tilt: (4, 2) in pixels about the origin, clockwise."""
    side_px = rng.uniform(params.scale_low, params.scale_high) * max(size_px)
    scale = min(side_px / max(card_px), MAX_ENLARGEMENT)
    turn, tilt = np.deg2rad(rng.uniform([-1, 0], 1) * [params.rotate_deg, params.tilt_deg])
    corners = (quads.FRAME - 0.5) * card_px * scale
    cos, sin = np.cos(turn), np.sin(turn)
    x, y = np.array([[cos, -sin], [sin, cos]]) @ corners.T
    # The desk leans back from the viewer: what is higher in the picture is farther away.
    nearness = 1 / (1 - y * np.sin(tilt) / (FOCAL * max(size_px)))
    return np.column_stack([x, y * np.cos(tilt)]) * nearness[:, None]


def approach(quad_px: np.ndarray, others_px: np.ndarray) -> np.ndarray:
    """Push a free quad towards the nearest of (N, 4, 2) until it touches one of them."""
    towards = others_px.mean(axis=1) - quad_px.mean(axis=0)
    step = towards[np.linalg.norm(towards, axis=1).argmin()]
    free, taken = 0.0, 1.0
    for _ in range(12):
        middle = (free + taken) / 2
        clear = cutout.is_free(quad_px + middle * step, others_px)
        free, taken = (middle, taken) if clear else (free, middle)
    return quad_px + free * step
