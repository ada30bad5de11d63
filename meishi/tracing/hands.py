"""Hands that hold a card, fingers beneath it, a thumb over one of its edges; and the phone."""

import numpy as np

from meishi.scenes.hands import SKINS
from meishi.scenes.surfaces import noise
from meishi.tracing import meshes
from meishi.tracing.solids import Material, Part
from meishi.tracing.view import View

CAP = np.linspace(0, np.pi / 2, 7)


def hold(rng: np.random.Generator, corners_mm: np.ndarray, thickness_mm: float) -> list[Part]:
    """Let a hand hold a card that lies at height zero.

    Args:
        rng: random stream.
        corners_mm: (4, 2) the card's corners.
        thickness_mm: of the card.

    Returns:
        The hand.
    """
    edge = int(rng.integers(4))
    first, second = corners_mm[edge], corners_mm[(edge + 1) % 4]
    along = (second - first) / np.linalg.norm(second - first)
    inwards = np.array([-along[1], along[0]])
    grip = first + (second - first) * rng.uniform(0.2, 0.8)
    skin = _skin(rng)
    palm = np.append(grip - inwards * rng.uniform(75, 105), rng.uniform(15, 40))
    axes = np.array(
        [
            [*(along * rng.uniform(38, 46)), 0],
            [*(inwards * rng.uniform(40, 52)), -8],
            [0, 0, rng.uniform(14, 20)],
        ]
    )
    parts = [Part(meshes.ellipsoid(palm, axes), skin)]
    for number in range(int(rng.integers(2, 5))):
        radius = rng.uniform(6.5, 9)
        side = (number - 1.5) * rng.uniform(17, 21)
        depth = rng.uniform(8, 55)
        tip = np.append(grip + along * side + inwards * depth, thickness_mm + radius + 0.5)
        knuckle = np.append(
            grip + along * side * 0.9 - inwards * rng.uniform(20, 35), thickness_mm + radius + 14
        )
        root = palm + np.append(along * side * 0.8 + inwards * 35, 0)
        parts += _finger([root, knuckle, tip], radius, skin, None)
    radius = rng.uniform(8.5, 11.5)
    slide = along * rng.uniform(-14, 14)
    tip = np.append(grip + slide + inwards * rng.uniform(3, 24), -radius * 0.86)
    knuckle = np.append(
        grip + slide * 1.4 - inwards * rng.uniform(18, 30), -radius - rng.uniform(3, 9)
    )
    root = palm + np.append(slide * 2 + inwards * 10, -12)
    nail = rng.random() < 0.8
    return parts + _finger([root, knuckle, tip], radius, skin, -1.0 if nail else None)


def shade(rng: np.random.Generator, view: View) -> list[Part]:
    """Hold the phone that takes the photo, and an arm, into the light."""
    if rng.random() < 0.4:
        return []
    right, down, forward = view.rotation
    centre = view.centre_mm - forward * rng.uniform(8, 40)
    half = np.array([rng.uniform(34, 42), rng.uniform(70, 82)])
    rim = [centre + right * x * half[0] + down * y * half[1] for x, y in
           ((-1, -1), (1, -1), (1, 1), (-1, 1))]  # fmt: skip
    dark = Material(np.array([18.0, 18, 20]))
    arm = centre + down * rng.uniform(40, 90) + right * rng.uniform(-60, 60)
    elbow = arm + down * 260 - forward * 60
    path = np.linspace(arm, elbow, 12)
    sleeve = Part(meshes.tube(path, np.linspace(38, 55, 12)), Material(rng.uniform(20, 180, 3)))
    return [Part(meshes.patch(np.array(rim)), dark), sleeve]


def _skin(rng: np.random.Generator) -> Material:
    tone = SKINS[int(rng.integers(len(SKINS)))] * rng.uniform(0.85, 1.05)
    mottle = 0.88 + 0.2 * noise(rng, int(rng.integers(6, 30)), 3, 128)[..., None]
    flush = np.array([1.0, 0.94, 0.92]) ** noise(rng, 5, 2, 128)[..., None]
    return Material(np.clip(tone * mottle * flush, 0, 255).astype(np.uint8), 0.35)


def _finger(
    joints_mm: list[np.ndarray], radius_mm: float, skin: Material, nail_side: float | None
) -> list[Part]:
    """Sweep a finger through three joints, its tip round; a nail above or below when asked."""
    root, knuckle, tip = joints_mm
    t = np.linspace(0, 1, 20)[:, None]
    path = (1 - t) ** 2 * root + 2 * t * (1 - t) * (2 * knuckle - (root + tip) / 2) + t**2 * tip
    forward = path[-1] - path[-2]
    forward /= np.linalg.norm(forward)
    swell = 1 + 0.07 * np.sin(np.linspace(0, 3.2 * np.pi, 20))
    radii = radius_mm * swell * np.linspace(1.12, 0.95, 20)
    cap = path[-1] + forward * (radii[-1] * np.sin(CAP[1:]))[:, None]
    rounded = radii[-1] * np.cos(CAP[1:])
    parts = [Part(meshes.tube(np.vstack([path, cap]), np.concatenate([radii, rounded])), skin)]
    if nail_side is not None:
        side = np.cross(forward, [0, 0, 1.0])
        side /= np.linalg.norm(side)
        up = np.cross(side, forward)
        up *= nail_side * np.sign(up[2])
        centre = path[-1] + forward * radius_mm * 0.25 + up * radius_mm * 0.62
        axes = np.array([forward * radius_mm * 0.62, side * radius_mm * 0.6, up * radius_mm * 0.36])
        tone = np.clip(np.asarray(skin.colour).reshape(-1, 3).mean(axis=0) * 1.08 + 14, 0, 255)
        parts.append(Part(meshes.ellipsoid(centre, axes), Material(tone, 0.15)))
    return parts
