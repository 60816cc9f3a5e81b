"""Cuts mouths out of clips. `corpora.mouth.cut` runs it in a separate environment, which has none of the project's packages.

Protocol: one JSON object per line. The first line on standard output is {"ready": true}. Standard input has {"file": video, "out":
file to write, "any_rate": convert other frame rates, "longest_s": of a clip}. Standard output has {"reason", "start_s"}. If
`reason` is null, `out` is a .npy file of uint8 (frames, 96, 96), and frame 0 begins at `start_s` on the time line of the file.
"""

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from corpora.media.frames import Frames
from corpora.media.tracks import Unusable
from corpora.mouth.faces import find_face
from corpora.mouth.geometry import SIZE_PX, crop_transform, interpolate, smooth
from corpora.mouth.rules import STABLE, check_crops, check_face

MOST_S = 1800  # per clip; a clip that takes longer ends this process and is left out


def cut(file: str, *, any_rate: bool, longest_s: float) -> tuple[np.ndarray, float]:
    """Return the mouths of a clip, uint8 (T, 96, 96), and the time at which they begin. Raises Unusable."""
    frames = Frames.of(Path(file), any_rate=any_rate, longest_s=longest_s)
    face = find_face(frames)
    check_face(face)
    steady = smooth(interpolate(face.points))
    matrices = np.stack([crop_transform(each[:STABLE], each[STABLE:]) for each in steady])
    check_crops(face, matrices)
    return crop(frames, matrices), frames.timeline.start_s


def crop(frames: Frames, matrices: np.ndarray) -> np.ndarray:
    """Return upright mouths of constant scale, (T, 96, 96) uint8 grey, by the transforms of all frames (T, 2, 3)."""
    mouths = np.empty((len(frames), SIZE_PX, SIZE_PX), np.uint8)
    for places, pixels in frames:
        grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        for t in places:
            mouths[t] = cv2.warpAffine(grey, matrices[t], (SIZE_PX, SIZE_PX), borderMode=cv2.BORDER_REPLICATE)
    return mouths


def serve(lines: Iterator[str]) -> None:
    """Answer requests until the input ends."""
    print(json.dumps({"ready": True}), flush=True)
    for line in lines:
        request, start, reason = json.loads(line), 0.0, None
        out = Path(request.pop("out"))
        signal.alarm(MOST_S)
        try:
            mouths, start = cut(**request)
            np.save(out, mouths)
        except Unusable as error:
            reason = str(error)
        except Exception as error:  # one clip must not end the others
            reason = f"the search for its mouths failed: {type(error).__name__}: {' '.join(str(error).split())}"
        signal.alarm(0)
        print(json.dumps({"reason": reason, "start_s": start}), flush=True)


if __name__ == "__main__":
    cv2.setNumThreads(1)
    serve(iter(sys.stdin.readline, ""))
