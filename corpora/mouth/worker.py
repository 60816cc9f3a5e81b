"""Cuts mouths out of clips. `corpora.mouth.cut` runs it in a separate environment, which has none of the project's packages.

Protocol: one JSON object per line. Standard input has {"file": video, "out": file to write}; standard output has {"reason"}. If
`reason` is null, `out` is a .npy file of uint8 (frames, 96, 96).
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import mediapipe as mp
import numpy as np

from corpora.mouth.geometry import SIZE_PX, crop_transform, interpolate, smooth

MOST_FRAMES_WITHOUT_FACE = 0.1  # as a share of the clip
STABLE = [33, 133, 362, 263, 168, 195, 4, 2]  # mediapipe's numbers of the points of `geometry.MEAN_FACE`
LIPS = [61, 291, 0, 17, 13, 14]  # corners, outer and inner middle of both lips


def decode(file: str) -> list[np.ndarray]:
    """Return all frames, RGB (H, W, 3) uint8."""
    with av.open(file) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def landmarks(frames: list[np.ndarray]) -> np.ndarray:
    """Return (T, points, 2) in px, stable points first, then the lips; NaN in frames without a face."""
    found = np.full((len(frames), len(STABLE) + len(LIPS), 2), np.nan)
    with mp.solutions.face_mesh.FaceMesh(max_num_faces=1, min_detection_confidence=0.3) as mesh:
        for t, frame in enumerate(frames):
            faces = mesh.process(frame).multi_face_landmarks
            if faces:
                height, width = frame.shape[:2]
                points = faces[0].landmark
                found[t] = [[points[n].x * width, points[n].y * height] for n in STABLE + LIPS]
    return found


def crop(frames: list[np.ndarray], points: np.ndarray) -> np.ndarray:
    """Return upright mouths of constant scale, (T, 96, 96) uint8 grey."""
    mouths = np.empty((len(frames), SIZE_PX, SIZE_PX), np.uint8)
    for t, frame in enumerate(frames):
        matrix = crop_transform(points[t, : len(STABLE)], points[t, len(STABLE) :])
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        mouths[t] = cv2.warpAffine(grey, matrix, (SIZE_PX, SIZE_PX), borderMode=cv2.BORDER_REPLICATE)
    return mouths


def cut(file: str) -> tuple[np.ndarray | None, str | None]:
    """Return the mouths of a clip, or None and the reason."""
    try:
        frames = decode(file)
    except (av.error.FFmpegError, IndexError) as error:
        return None, f"cannot be decoded: {error}"
    points = landmarks(frames)
    missing = int(np.isnan(points[:, 0, 0]).sum())
    if not frames or missing > MOST_FRAMES_WITHOUT_FACE * len(frames):
        return None, f"no face in {missing} of {len(frames)} frames"
    return crop(frames, smooth(interpolate(points))), None


def serve(lines: Iterator[str]) -> None:
    """Answer requests until the input ends."""
    for line in lines:
        request = json.loads(line)
        mouths, reason = cut(request["file"])
        if mouths is not None:
            np.save(Path(request["out"]), mouths)
        print(json.dumps({"reason": reason}), flush=True)


if __name__ == "__main__":
    cv2.setNumThreads(1)
    serve(iter(sys.stdin.readline, ""))
