"""The focal length of a photo by one card in it, and the card's true shape by that.

Two pairs of sides that run to vanishing points give the focal length (`homography.focal_squared`).
Where a pair is nearly parallel it is the quotient of two numbers near zero: a pixel at a corner
moves it by half, and the card's aspect along with it. So it is believed by its variance.
"""

import math

import numpy as np

from meishi.geometry import homography

# Where the photo's EXIF tells the focal length: a whole number of mm, by the diagonal or the width.
# In pinhole views, corners off by .001 of the diagonal, the mean error of the aspect is .004 so,
# .005 with .1 instead of .05, .022 without EXIF; .036 if EXIF is wrong by 30 %.
TOLD_SPREAD = 0.05
FOCAL_SPREAD = 0.3  # of phones' and cropped photos' focal lengths about the typical, in logarithms
# Of a captured corner, relative to the diagonal: .0011 in the median, .0056 in the mean on photos.
CORNER_NOISE = 0.001


def likely_aspect(
    quad_px: np.ndarray, size_px: tuple[int, int], told: float | None = None
) -> float:
    """Estimate the width over the height of the flat card from a quad that was measured.

    The focal length is the mean, in logarithms, of the view's own and of the one that the photo
    tells, or of a typical one, weighed by their variances. `homography.aspect` believes the view
    whenever a camera could have it, which is exact for exact quads.

    Args:
        quad_px: (4, 2) corners in pixels, convex and clockwise; the first is the card's TL.
        size_px: width and height of the photo, whose centre is taken for the principal point.
        told: focal length by the photo's EXIF, relative to its longer side; None: not known.

    Returns:
        The aspect, see `homography.aspect`.

    Raises:
        ValueError: if the quad has a `quads.fault`.
    """
    homography.aspect(quad_px, size_px)  # refuses what has no shape
    focal = likely_focal(homography.centred(quad_px, size_px), told)
    return homography.aspect(quad_px, size_px, focal)


def likely_focal(centred: np.ndarray, told: float | None = None) -> float:
    """Weigh the focal length of a view and the one that is told, or a typical one.

    Args:
        centred: (4, 2) quad about the photo's centre, relative to its longer side.
        told: see `likely_aspect`.

    Returns:
        Relative to the longer side of the photo.
    """
    seen_squared = homography.focal_squared(*homography.edge_vectors(centred))
    expected = homography.TYPICAL_FOCAL if told is None else told
    if seen_squared is None:
        return expected
    spread = FOCAL_SPREAD if told is None else TOLD_SPREAD
    share = spread**2 / (spread**2 + _variance(centred))
    return math.exp(share * math.log(seen_squared) / 2 + (1 - share) * math.log(expected))


def _variance(centred: np.ndarray) -> float:
    """Propagate the corners' noise to the logarithm of the focal length, to first order."""
    diagonal = np.linalg.norm(centred[:2] - centred[2:], axis=1).mean()
    step = 1e-5 * diagonal
    slopes = []
    for place in range(centred.size):
        moved = np.zeros(centred.size)
        moved[place] = step
        more, less = (_log_focal(centred + way * moved.reshape(4, 2)) for way in (1, -1))
        slopes.append((more - less) / (2 * step))
    return float(np.square(slopes).sum() * (CORNER_NOISE * diagonal) ** 2)


def _log_focal(centred: np.ndarray) -> float:
    across, down = homography.edge_vectors(centred)
    # A step may take the quotient of eq. 21 out of what cameras have, or through zero.
    return float(np.log(np.abs(across[:2] @ down[:2]) / max(abs(across[2] * down[2]), 1e-30)) / 2)
