"""One thread: what is computed here is so small that more of them wait for each other."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
