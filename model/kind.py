"""What the settings of all kinds have in common. Imports no torch.

`phrases` are the words by which people name a kind in a Markdown plan; `arm` is the name that an arm gets when it swaps
the kind in and its plan gives none. `lacks` names what a model of this kind lacks, as a sentence names it ("the adapter").
"""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """Settings in which unknown keys are errors, nothing is coerced from text, and nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Kind(Strict):
    """Settings of one kind of a part."""

    description: ClassVar[str] = ""
    phrases: ClassVar[tuple[str, ...]] = ()
    arm: ClassVar[str] = ""
    lacks: ClassVar[str] = ""
