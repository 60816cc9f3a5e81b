"""stub"""
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class CorpusReference:
    """stub"""

    uri: str
    fingerprint: str
    summary: dict[str, Any]
    place: str

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "reference.json").write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, folder: Path) -> "CorpusReference":
        return cls(**json.loads((folder / "reference.json").read_text()))

    def data(self, inside: Path, corpora_root: str) -> Path:
        return Path(self.place) if self.place else inside / "prepared"
