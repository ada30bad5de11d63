"""Overprint: bands, wedges, frames, panels and pictures laid over a card's own print.

A printed edge inside a card is as sharp as the card's own, and a network that has seen few designs
cuts the card there. So cards get such edges at random places, in colours that may be those of the
ground beside them. What is printed stays within the quad, which stays as it was.
"""

from collections.abc import Callable

import cv2
import numpy as np

from meishi.data import cutout
from meishi.data.pool import is_held
from meishi.data.records import Record
from meishi.geometry import quads
from meishi.recipe import OverprintParams

CANVAS_PX = (192, 120)  # width, height of the layer, whatever the card's shape
SAMPLES = 12  # places around a card at which the ground is looked at
BESIDE = 1.12  # how far out these lie, of the quad about its centre
PAPER = 235.0  # luma of white paper in a well-lit photo
SHADE = (0.6, 1.4)  # light on the card, relative to its mean, is kept within these
SHADE_BLUR_PX = 30.0
DIM = (0.3, 1.05)  # of colours in a scene's light

Fill = np.ndarray  # (h, w, 3) float32 RGB


def is_printable(record: Record, card_quads: np.ndarray, index: int) -> bool:
    """Tell whether nothing lies on a card, fingers or another of (N, 4, 2): print would cover it.

    Args:
        record: the scene; one that does not say whether its cards are held may hold them.
        card_quads: relative, those that the scene has now.
        index: of the card.
    """
    quad, others = card_quads[index], np.delete(card_quads, index, axis=0)
    return not is_held(record, if_unknown=True) and cutout.is_free(quad, others)


def overprint(
    image: np.ndarray,
    card_quad: np.ndarray,
    picture: Callable[[], np.ndarray] | None,
    params: OverprintParams,
    rng: np.random.Generator,
) -> np.ndarray:
    """Print something over a card.

    Args:
        image: (H, W, 3) RGB uint8, left as it is.
        card_quad: (4, 2) relative, convex and clockwise; may leave the frame.
        picture: gives an RGB uint8 photo of which parts are printed; None for colours alone.
        params: layers and shares.
        rng: of this sample.

    Returns:
        (H, W, 3) RGB uint8.
    """
    size_px = (image.shape[1], image.shape[0])
    quad_px = quads.to_px(card_quad, size_px)
    corners = quads.to_px(quads.FRAME, CANVAS_PX)
    light = float(np.clip(cutout.brightness(image) / PAPER, *DIM))
    layer = np.zeros((CANVAS_PX[1], CANVAS_PX[0], 3), np.float32)
    share = np.zeros(layer.shape[:2], np.float32)
    photo = picture() if picture and rng.random() < params.picture else None
    for number in range(int(rng.integers(1, params.layers + 1))):
        covered = _shape(rng, whole=number == 0 and rng.random() < params.whole)
        covered *= rng.uniform(params.opacity_low, 1)
        fill = _fill(rng, image, quad_px, light, params.ground, photo)
        layer = layer * (1 - covered[..., None]) + fill * covered[..., None]
        share = 1 - (1 - share) * (1 - covered)
    # What was blended with nothing gets its full colour back.
    layer /= np.maximum(share, 1e-3)[..., None]
    shade = _shade(image, quad_px, corners)
    printed = np.clip(layer * shade[..., None], 0, 255).astype(np.uint8)
    rim = (cutout.RIM_PX,) * 4
    result = image.copy()
    cutout.lay(
        result,
        cv2.copyMakeBorder(printed, *rim, cv2.BORDER_REPLICATE),
        corners + cutout.RIM_PX,
        quad_px,
        cv2.copyMakeBorder(share, *rim, cv2.BORDER_REPLICATE),
    )
    return result


def _shape(rng: np.random.Generator, whole: bool) -> np.ndarray:
    """Draw which part of the canvas is printed: (h, w) float32 in [0, 1]."""
    width, height = CANVAS_PX
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    if whole:
        return np.ones((height, width), np.float32)
    kind = rng.choice(["band", "band", "wedge", "frame", "panel", "oval"])
    if kind in ("band", "wedge"):
        turn = rng.integers(4) * np.pi / 2 + (rng.uniform(-0.9, 0.9) if kind == "wedge" else 0.0)
        along, across = np.cos(turn), np.sin(turn)
        depth = (x - 0.5) * along + (y - 0.5) * across
        reach = (abs(along) + abs(across)) / 2
        wave = rng.choice([0.0, 0.04]) * np.sin(
            2 * np.pi * (x * across - y * along) * rng.uniform(0.5, 1.5) + rng.uniform(0, 6)
        )
        inside = depth + wave > reach * (1 - 2 * rng.uniform(0.06, 0.5))
    elif kind == "frame":
        rim_x, rim_y = rng.uniform(0.03, 0.14), rng.uniform(0.04, 0.18)
        inside = (np.abs(x - 0.5) > 0.5 - rim_x) | (np.abs(y - 0.5) > 0.5 - rim_y)
    else:
        size, centre = rng.uniform(0.15, 0.45, 2), rng.uniform(0.2, 0.8, 2)
        away = np.abs(np.stack([x, y]) - centre[:, None, None]) / size[:, None, None]
        inside = (away**2).sum(axis=0) < 1 if kind == "oval" else away.max(axis=0) < 1
    return cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 0.5)


def _fill(rng, image, quad_px, light: float, ground: float, photo: np.ndarray | None) -> Fill:
    """Draw what a part is printed with: a photo's part, a colour, or one running into another."""
    width, height = CANVAS_PX
    if photo is not None and rng.random() < 0.5:
        size = rng.uniform(0.25, 1, 2) * photo.shape[:2]
        top, left = (rng.uniform(0, 1, 2) * (photo.shape[:2] - size)).astype(int)
        part = photo[top : top + max(int(size[0]), 2), left : left + max(int(size[1]), 2)]
        return cv2.resize(part, CANVAS_PX, interpolation=cv2.INTER_AREA).astype(np.float32)
    colours = [_colour(rng, image, quad_px, light, ground) for _ in range(2)]
    if rng.random() < 0.7:
        colours[1] = colours[0]
    angle = rng.uniform(0, 2 * np.pi)
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, width), np.linspace(-0.5, 0.5, height))
    run = np.clip(x * np.cos(angle) + y * np.sin(angle) + 0.5, 0, 1)[..., None]
    return (colours[0] * (1 - run) + colours[1] * run).astype(np.float32)


def _colour(rng, image, quad_px, light: float, ground: float) -> np.ndarray:
    """Draw a colour: (3,) RGB, of the ground beside the card with the probability `ground`."""
    if rng.random() < ground:
        beside = _beside(image, quad_px)
        if len(beside):
            return beside[int(rng.integers(len(beside)))] + rng.uniform(-25, 25)
    hue, saturation, value = rng.integers(180), 255 * rng.random() ** 2, 255 * rng.random() ** 0.5
    hsv = np.array([[[hue, saturation, value]]])
    return cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)[0, 0] * light


def _beside(image: np.ndarray, quad_px: np.ndarray) -> np.ndarray:
    """Look at the ground around a card: (N, 3) RGB, fewer where the frame cuts it."""
    share = np.linspace(0, 1, SAMPLES // 4, endpoint=False)[:, None, None]
    places = (quad_px * (1 - share) + np.roll(quad_px, -1, axis=0) * share).reshape(-1, 2)
    centre = quad_px.mean(axis=0)
    x, y = np.rint(centre + (places - centre) * BESIDE).astype(int).T
    seen = (x >= 0) & (y >= 0) & (x < image.shape[1]) & (y < image.shape[0])
    return image[y[seen], x[seen]].astype(np.float32)


def _shade(image: np.ndarray, quad_px: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Take the light's course over a card from its blurred luma: (h, w) float32, about 1."""
    to_canvas = cv2.getPerspectiveTransform(np.float32(quad_px), np.float32(corners))
    flat = cv2.warpPerspective(image, to_canvas, CANVAS_PX, borderMode=cv2.BORDER_REPLICATE)
    luma = cv2.GaussianBlur(flat.astype(np.float32) @ cutout.LUMA, (0, 0), SHADE_BLUR_PX)
    return np.clip(luma / max(float(luma.mean()), 1.0), *SHADE)
