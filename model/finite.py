"""The search for NaN and infinite values in weights: a model that has any recognises nothing, and training on goes nowhere."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor


def not_finite(values: Any, at: str = "") -> str | None:
    """Return the dotted name of the first tensor with NaN or an infinite value; None if there is none.

    `values` is a tensor, or a mapping or list of them, nested in any way. Other values are ignored.
    """
    if isinstance(values, Tensor):
        return at if values.is_floating_point() and not torch.isfinite(values).all() else None
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(values, Mapping):
        items = values.items()
    elif isinstance(values, (list, tuple)):
        items = enumerate(values)
    return next(
        (found for name, value in items if (found := not_finite(value, f"{at}.{name}" if at else str(name)))), None
    )
