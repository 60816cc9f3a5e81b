"""The frames of a clip at 25 frames a second: a pass over the pictures that keeps none of them in memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from corpora.media.pictures import Upright, pictures, survey
from corpora.media.sound import sound_start_s
from corpora.media.timeline import Timeline, rate_fault, timeline
from corpora.media.tracks import Unusable, opened


@dataclass(frozen=True)
class Frames:
    """The frames of a file. Each iteration decodes the file again and yields (frame numbers, RGB uint8 (H, W, 3))."""

    file: Path
    timeline: Timeline
    longest_s: float

    @classmethod
    def of(cls, file: Path, *, any_rate: bool, longest_s: float) -> "Frames":
        """Look for the time stamps of all pictures. Raises Unusable; without `any_rate`, also unless it has 25 frames a second."""
        found = survey(file, longest_s=longest_s)
        fault = None if any_rate else rate_fault(found.frames_per_second)
        if fault is not None:
            raise Unusable(fault)
        made = timeline(found.stamps_s, found.step_s, found.end_s, sound_start_s(file))
        return cls(file, made, longest_s)

    def __len__(self) -> int:
        return len(self.timeline.shown)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Raises Unusable."""
        upright = None
        with opened(self.file, self.longest_s) as tracks:
            for number, picture in enumerate(pictures(tracks)):
                upright = upright or Upright.of(tracks, picture.frame)
                places = np.flatnonzero(self.timeline.shown == number)
                if len(places):
                    yield places, upright(picture.frame)
