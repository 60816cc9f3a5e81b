"""The place of a mouth from landmarks, on faces that were moved, turned and scaled by known amounts."""

import numpy as np
import pytest

from corpora.mouth.geometry import MEAN_FACE, SIZE_PX, crop_transform, interpolate, similarity, smooth

LIPS = np.array([[-26.0, 80.0], [26.0, 80.0], [0.0, 72.0], [0.0, 92.0]])


def moved(points: np.ndarray, degrees: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    angle = np.deg2rad(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return scale * points @ rotation.T + np.array(shift)


@pytest.mark.parametrize("degrees", [-30, 0, 12])
@pytest.mark.parametrize("scale", [0.5, 1.0, 1.7])
def test_a_moved_face_gives_the_same_upright_crop(degrees: float, scale: float) -> None:
    matrix = crop_transform(moved(MEAN_FACE, degrees, scale, (120, 60)), moved(LIPS, degrees, scale, (120, 60)))
    lips = moved(LIPS, degrees, scale, (120, 60)) @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(lips, LIPS - LIPS.mean(0) + SIZE_PX / 2, atol=1e-6)


def test_the_similarity_is_the_best_one_for_noisy_points() -> None:
    draw = np.random.default_rng(0)
    noisy = moved(MEAN_FACE, 10, 1.2, (5, 3)) + draw.normal(0, 1, MEAN_FACE.shape)

    def error(matrix: np.ndarray) -> float:
        return float(np.square(noisy @ matrix[:, :2].T + matrix[:, 2] - MEAN_FACE).sum())

    best = similarity(noisy, MEAN_FACE)
    a, b = best[0, 0], best[1, 0]
    np.testing.assert_allclose(best[:, :2], [[a, -b], [b, a]])
    for change in draw.normal(0, 1e-3, (200, 4)):
        turned = np.array([[a + change[0], -b - change[1], 0], [b + change[1], a + change[0], 0]])
        turned[:, 2] = best[:, 2] + change[2:]
        assert error(turned) >= error(best)


def test_frames_without_a_face_lie_between_their_neighbours() -> None:
    points = np.arange(5.0)[:, None, None] * np.ones((5, 3, 2))
    points[[0, 2]] = np.nan
    np.testing.assert_allclose(interpolate(points)[:, 0, 0], [1, 1, 2, 3, 4])


def test_smoothing_takes_jitter_and_leaves_the_place() -> None:
    points = np.random.default_rng(0).normal(50, 2, (75, 3, 2))
    smoothed = smooth(points)
    assert smoothed.shape == points.shape
    assert smoothed.std() < 0.5 * points.std()
    np.testing.assert_allclose(smooth(np.full((9, 3, 2), 7.0)), 7.0)
