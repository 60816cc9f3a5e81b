"""Conditions in which a trial is scored: clean, or a kind of noise at a signal-to-noise ratio. One class for their names."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

CLEAN = "clean"
_NOISY = re.compile(r"(?P<kind>.+)_(?P<snr_db>-?[0-9.]+(?:e[+-]?[0-9]+)?)db")


@dataclass(frozen=True)
class Condition:
    """Clean (both None), or a kind of noise at an SNR in dB; 0 dB is a value."""

    kind: str | None = None
    snr_db: float | None = None

    @property
    def name(self) -> str:
        """`clean`, `babble_0db`, `babble_-5db`, ...: the key in tables, metrics and files."""
        return CLEAN if self.snr_db is None else f"{self.kind}_{self.snr_db:g}db"

    @property
    def label(self) -> str:
        """The name as people write it: `clean`, `babble −5 dB`."""
        if self.snr_db is None:
            return self.kind or CLEAN
        return f"{self.kind} {f'{self.snr_db:g}'.replace('-', '−')} dB"

    @classmethod
    def parse(cls, name: str) -> Self:
        """Return the condition of a name. A name of another form becomes a kind without an SNR."""
        found = _NOISY.fullmatch(name)
        if found is None:
            return cls(None if name == CLEAN else name)
        return cls(found["kind"], float(found["snr_db"]))


def label(name: str) -> str:
    """Return the condition of this name as people write it, e.g. `babble −5 dB`."""
    return Condition.parse(name).label


def conditions(noises: Mapping[str, Sequence[float]]) -> list[Condition]:
    """Return clean first, then every SNR in dB of every kind of noise, in the given order."""
    return [Condition(), *(Condition(kind, float(snr_db)) for kind, snrs_db in noises.items() for snr_db in snrs_db)]
