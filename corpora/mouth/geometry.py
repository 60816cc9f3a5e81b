"""The place of the mouth, from landmarks of a face. Uses NumPy only, because it also runs in the environment of the face finder.

Shapes: T frames, P points; a point is (x, y) in px.
"""

import numpy as np

SIZE_PX = 96
SMOOTHED_OVER_FRAMES = 12
# The points of a frontal face that speech does not move (outer and inner corners of the eyes, then the nose from top to bottom),
# in px: the mean of GRID speakers, made symmetric. The mouth of this face is about 53 px wide.
MEAN_FACE = np.array(
    [[-48, 0], [-18.5, 1.8], [18.5, 1.8], [48, 0], [0, -4], [0, 20], [0, 39], [0, 54]], dtype=np.float64
)


def interpolate(points: np.ndarray) -> np.ndarray:
    """(T, P, 2) -> same: fill frames without a face (NaN) from their neighbours. At least one frame must have a face."""
    flat = points.reshape(len(points), -1).copy()
    good = ~np.isnan(flat[:, 0])
    for column in flat.T:
        column[~good] = np.interp(np.flatnonzero(~good), np.flatnonzero(good), column[good])
    return flat.reshape(points.shape)


def smooth(points: np.ndarray) -> np.ndarray:
    """(T, P, 2) -> same: mean over 12 frames around each frame, fewer at the ends. Detectors jitter, heads do not."""
    half = SMOOTHED_OVER_FRAMES // 2
    return np.stack([points[max(0, t - half) : t + half].mean(0) for t in range(len(points))])


def similarity(points: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """(P, 2) twice -> (2, 3): the rotation, scale and shift with the least squared distance (Umeyama 1991)."""
    centre, centre_onto = points.mean(0), onto.mean(0)
    a, b = points - centre, onto - centre_onto
    cosine, sine = (a * b).sum(), (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()
    rotation = np.array([[cosine, -sine], [sine, cosine]]) / (a**2).sum()
    return np.hstack([rotation, (centre_onto - rotation @ centre)[:, None]])


def crop_transform(stable: np.ndarray, lips: np.ndarray) -> np.ndarray:
    """(8, 2), (P, 2) -> (2, 3): the transform of a frame to an upright face of the size of the mean face, with centred lips."""
    matrix = similarity(stable, MEAN_FACE)
    matrix[:, 2] += SIZE_PX / 2 - (lips @ matrix[:, :2].T + matrix[:, 2]).mean(0)
    return matrix
