"""The speaker's face in every frame. Runs in the environment of `make mouth`.

A face is looked for as in a clip with one face. Every 12th frame is also searched for more faces. Only if there are any, all faces
are followed through the clip, and `rules.choose` says whose mouth is cut.
"""

from functools import lru_cache

import cv2
import mediapipe as mp
import numpy as np

from corpora.media.frames import Frames
from corpora.mouth.geometry import MEAN_FACE, similarity
from corpora.mouth.rules import LIPS, POINTS, STABLE, Face, centre, choose, eye_width

SEARCHED_EVERY = 12  # frames
MOST_FACES = 4
LEAST_CONFIDENCE, LEAST_CONFIDENCE_OF_MORE = 0.3, 0.5
FOLLOWED_WITHIN = 0.5  # eye widths from one frame to the next
PORTRAIT_PX, PORTRAIT_OF_PX = 24, 144  # a square of the mean face with its eyes, nose and mouth
PORTRAIT_FROM = np.array([72.0, 40.0])


def find_face(frames: Frames) -> Face:
    """Return the face whose mouth is cut. Raises Unusable where several faces could be the speaker's."""
    face, several = Face.unseen(len(frames)), False
    with mp.solutions.face_mesh.FaceMesh(max_num_faces=1, min_detection_confidence=LEAST_CONFIDENCE) as mesh:
        for places, pixels in frames:
            for points in _found(mesh, pixels):
                face.see(places, points, portrait(pixels, points))
            if not several and not (places % SEARCHED_EVERY).all():
                several = len(_finder().process(pixels).detections or ()) > 1
    return _speaker(face, _all_faces(frames)) if several else face


@lru_cache
def _finder() -> "mp.solutions.face_detection.FaceDetection":
    """Return a finder that looks at each picture alone. It is made once, since that takes as long as 20 pictures."""
    return mp.solutions.face_detection.FaceDetection(min_detection_confidence=LEAST_CONFIDENCE_OF_MORE)


def _speaker(first: Face, faces: list[Face]) -> Face:
    """Return the chosen face; `first`, as it was found alone, if it is that one."""
    chosen = choose(faces)
    if chosen is None:
        return first
    apart = np.linalg.norm(centre(first.points) - centre(chosen.points), axis=-1) / eye_width(chosen.points)
    return first if np.nanmedian(np.append(apart, np.inf)) < FOLLOWED_WITHIN else chosen


def _all_faces(frames: Frames) -> list[Face]:
    faces = list[Face]()
    with mp.solutions.face_mesh.FaceMesh(max_num_faces=MOST_FACES, min_detection_confidence=LEAST_CONFIDENCE) as mesh:
        for places, pixels in frames:
            unmatched = list(faces)
            for points in _found(mesh, pixels):
                face = next((face for face in unmatched if _follows(face, points)), None)
                if face is None:
                    faces.append(face := Face.unseen(len(frames)))
                else:
                    unmatched.remove(face)
                face.see(places, points, portrait(pixels, points))
    return faces


def _follows(face: Face, points: np.ndarray) -> bool:
    """Return True if the points are where a face was last seen."""
    last = face.points[np.flatnonzero(face.seen())[-1]]
    return bool(np.linalg.norm(centre(points) - centre(last)) < FOLLOWED_WITHIN * eye_width(last))


def _found(mesh: "mp.solutions.face_mesh.FaceMesh", pixels: np.ndarray) -> list[np.ndarray]:
    """Return the points (14, 2) of every face, in px."""
    height, width = pixels.shape[:2]
    faces = mesh.process(pixels).multi_face_landmarks or ()
    return [np.array([[face.landmark[n].x * width, face.landmark[n].y * height] for n in POINTS]) for face in faces]


def portrait(pixels: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return a face, upright and of constant size, as small grey levels (24, 24)."""
    matrix = similarity(points[:STABLE], MEAN_FACE)
    matrix[:, 2] += PORTRAIT_FROM
    square = cv2.warpAffine(pixels, matrix, (PORTRAIT_OF_PX, PORTRAIT_OF_PX), borderMode=cv2.BORDER_REPLICATE)
    grey = cv2.cvtColor(square, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (PORTRAIT_PX, PORTRAIT_PX), interpolation=cv2.INTER_AREA)


assert len(POINTS) == STABLE + LIPS
