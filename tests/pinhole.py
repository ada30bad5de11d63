"""Cards seen by a pinhole camera, with known answers."""

import numpy as np

from meishi.geometry import quads


def pinhole_view(aspect, tilt_deg, turn_deg, size_px, focal=0.9, distance=3.0):
    """Corners in pixels of a card of height 1 seen by a camera of this focal length."""
    tilt, turn = np.radians([tilt_deg, turn_deg])
    in_plane = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    corners = np.array([[-aspect, -1], [aspect, -1], [aspect, 1], [-aspect, 1]]) / 2 @ in_plane.T
    depth = distance + corners[:, 1] * np.sin(tilt)
    seen = corners * [1, np.cos(tilt)] / depth[:, None]
    return seen * focal * size_px[0] + quads.to_px([0.5, 0.5], size_px)
