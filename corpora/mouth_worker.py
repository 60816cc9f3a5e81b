"""Cuts mouths out of clips; run by `corpora.mouth` in an environment of its own, so it imports nothing of the project.

Protocol: one JSON object a line on standard input, {"file": video, "out": where to write}; one a line on standard output,
{"file", "frames", "reason"}. With `reason` null, `out` is a .npy of uint8 (frames, 96, 96).
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import mediapipe as mp
import numpy as np

SIZE_PX = 96
SMOOTHED_OVER_FRAMES = 12
MOST_FRAMES_WITHOUT_FACE = 0.1  # as a share of the clip
GREY_BELOW = 0.5  # a frame whose contrast is less than this share of the clip's usual one was not decoded whole

# Points of the face that speech does not move (mediapipe's numbers): corners of the eyes, then the nose downwards.
STABLE = [33, 133, 362, 263, 168, 195, 4, 2]
# Where they stand in a face looking at us, in px with the outer corners of the eyes 96 apart; the mean of GRID speakers,
# made symmetric. In this face the mouth is about 53 px wide.
MEAN_FACE = np.array(
    [[-48, 0], [-18.5, 1.8], [18.5, 1.8], [48, 0], [0, -4], [0, 20], [0, 39], [0, 54]], dtype=np.float64
)
LIPS = [61, 291, 0, 17, 13, 14]  # corners, outer and inner middle of both lips


def decode(file: str) -> list[np.ndarray]:
    """All frames, RGB (H, W, 3) uint8."""
    with av.open(file) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def landmarks(frames: list[np.ndarray]) -> np.ndarray:
    """(T, points, 2) in px, stable points first, then the lips; NaN where no face was found."""
    found = np.full((len(frames), len(STABLE) + len(LIPS), 2), np.nan)
    with mp.solutions.face_mesh.FaceMesh(max_num_faces=1, min_detection_confidence=0.3) as mesh:
        for t, frame in enumerate(frames):
            faces = mesh.process(frame).multi_face_landmarks
            if faces:
                height, width = frame.shape[:2]
                points = faces[0].landmark
                found[t] = [[points[n].x * width, points[n].y * height] for n in STABLE + LIPS]
    return found


def interpolate(points: np.ndarray) -> np.ndarray:
    """Fill the frames without a face from their neighbours, coordinate by coordinate."""
    flat = points.reshape(len(points), -1).copy()
    good = ~np.isnan(flat[:, 0])
    for column in flat.T:
        column[~good] = np.interp(np.flatnonzero(~good), np.flatnonzero(good), column[good])
    return flat.reshape(points.shape)


def smooth(points: np.ndarray) -> np.ndarray:
    """Mean over a window of 12 frames around each frame, shorter at the ends: detectors jitter, heads do not."""
    half = SMOOTHED_OVER_FRAMES // 2
    return np.stack([points[max(0, t - half) : t + half].mean(0) for t in range(len(points))])


def similarity(points: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """The 2x3 rotation, scale and shift that lays (n, 2) points onto others with least squares (Umeyama 1991)."""
    centre, centre_onto = points.mean(0), onto.mean(0)
    a, b = points - centre, onto - centre_onto
    cosine, sine = (a * b).sum(), (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()
    rotation = np.array([[cosine, -sine], [sine, cosine]]) / (a**2).sum()
    return np.hstack([rotation, (centre_onto - rotation @ centre)[:, None]])


def crop(frames: list[np.ndarray], points: np.ndarray) -> np.ndarray:
    """Upright mouths of constant scale, (T, 96, 96) uint8 grey."""
    mouths = np.empty((len(frames), SIZE_PX, SIZE_PX), np.uint8)
    for t, frame in enumerate(frames):
        matrix = similarity(points[t, : len(STABLE)], MEAN_FACE)
        lips = points[t, len(STABLE) :] @ matrix[:, :2].T + matrix[:, 2]
        matrix[:, 2] += SIZE_PX / 2 - lips.mean(0)
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        mouths[t] = cv2.warpAffine(
            grey, matrix, (SIZE_PX, SIZE_PX), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
        )
    return mouths


def cut(file: str) -> tuple[np.ndarray | None, int, str | None]:
    """The mouths of a clip or None, its number of frames, and the reason for None."""
    try:
        frames = decode(file)
    except (av.error.FFmpegError, IndexError) as error:
        return None, 0, f"cannot be decoded: {error}"
    contrast = np.array([frame[..., 1].std() for frame in frames])
    grey = int((contrast < GREY_BELOW * np.median(contrast)).sum()) if frames else 0
    if grey or not frames:
        return None, len(frames), f"{grey} grey frames (damaged video)" if frames else "no frames"
    points = landmarks(frames)
    missing = int(np.isnan(points[:, 0, 0]).sum())
    if missing > MOST_FRAMES_WITHOUT_FACE * len(frames):
        return None, len(frames), f"no face in {missing} of {len(frames)} frames"
    return crop(frames, smooth(interpolate(points))), len(frames), None


def serve(lines: Iterator[str]) -> None:
    """Answer requests until the input ends."""
    for line in lines:
        request = json.loads(line)
        mouths, frames, reason = cut(request["file"])
        if mouths is not None:
            np.save(Path(request["out"]), mouths)
        print(json.dumps({"file": request["file"], "frames": frames, "reason": reason}), flush=True)


if __name__ == "__main__":
    cv2.setNumThreads(1)
    serve(iter(sys.stdin.readline, ""))
