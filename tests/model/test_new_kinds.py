"""Masked frames, prediction heads, and a few steps of training with every kind that one part has."""

import numpy as np
import pytest
import torch
from random_batches import inputs, masks

from model.config import resolve
from model.mask_fill import build_fill
from model.masking_kinds import EmbeddingFill, NoiseFill, ZeroFill
from model.parts import PARTS
from model.siamese import build_head
from model.siamese_kinds import LinearHead, NoHead, TwoLayerHead
from model.smile import Losses, Smile, initialise, parameter_count

WIDTH, VOCABULARY = 8, 9
PUBLISHED = {"encoder.architecture": "transformer", "encoder.position_kernel": 8, "encoder.position_groups": 4}
NEW = [
    (part, kind)
    for part in ("encoder.attention", "fusion.output", "masking.fill", "siamese.head", "siamese.target")
    for kind in PARTS[part].kinds
] + [("fusion.layers", {"kind": "mean", "last": 2})]


def test_masked_frames_become_what_the_kind_says_and_others_stay() -> None:
    x = torch.randn(2, 40, WIDTH)
    mask = torch.rand(2, 40, generator=torch.Generator().manual_seed(0)) < 0.5
    learned, zeros, noise = (build_fill(kind, WIDTH) for kind in (EmbeddingFill(), ZeroFill(), NoiseFill()))
    assert (learned(x, mask)[mask] == learned.get_parameter("vector")).all()
    assert not zeros(x, mask)[mask].any()
    torch.manual_seed(0)
    drawn = noise(x, mask)[mask]
    assert drawn.mean().item() == pytest.approx(0.0, abs=0.15)
    assert drawn.std().item() == pytest.approx(1.0, abs=0.1)
    assert not torch.equal(drawn, noise(x, mask)[mask])
    for fill in (learned, zeros, noise):
        assert torch.equal(fill(x, mask)[~mask], x[~mask])
    assert [parameter_count(fill) for fill in (learned, zeros, noise)] == [WIDTH, 0, 0]


def test_noise_hides_the_frame_from_the_gradient() -> None:
    x, mask = torch.randn(1, 4, WIDTH, requires_grad=True), torch.tensor([[True, False, True, False]])
    build_fill(NoiseFill(), WIDTH)(x, mask).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad.any(-1), ~mask)


def test_heads_predict_by_two_layers_by_one_or_by_nothing() -> None:
    x = torch.randn(5, WIDTH)
    two, one, none = (build_head(kind, WIDTH) for kind in (TwoLayerHead(), LinearHead(), NoHead()))
    weights = [two.get_parameter(name) for name in ("0.weight", "0.bias", "2.weight", "2.bias")]
    hidden = x @ weights[0].T + weights[1]
    hidden = hidden * 0.5 * (1 + torch.erf(hidden / 2**0.5))
    torch.testing.assert_close(two(x), hidden @ weights[2].T + weights[3])
    torch.testing.assert_close(one(x), x @ one.get_parameter("0.weight").T + one.get_parameter("0.bias"))
    assert torch.equal(none(x), x)
    square = WIDTH * WIDTH + WIDTH
    assert [parameter_count(head) for head in (two, one, none)] == [2 * square, square, 0]


@pytest.mark.parametrize("encoder", [{}, PUBLISHED], ids=["conformer", "transformer"])
@pytest.mark.parametrize("kind", PARTS["siamese.target"].kinds)
def test_the_masked_loss_is_against_the_features_that_the_kind_names(kind: str, encoder: dict[str, object]) -> None:
    settings = resolve("tiny", {"siamese.target": kind, "siamese.head": "none", "encoder.dropout": 0.0, **encoder})
    model, batch = Smile(settings, VOCABULARY), inputs([40])
    initialise(model, 1)
    hidden, nothing = masks(model, [40]), {name: torch.zeros(1, 40, dtype=torch.bool) for name in ("audio", "video")}
    features = model.features(batch)
    seen = [model.encode(model.mask(features, each), batch.padding) for each in (hidden, nothing)]
    losses = []
    for name, mask in hidden.items():
        student, layers = (torch.stack([layer[name] for layer in each]) for each in seen)
        target = {"layers": layers.mean(0), "last": layers[-1], "input": model.tokens(features)[name]}[kind]
        one, other = student.mean(0)[mask], target[mask]  # the weights of the layers are equal at first
        losses.append((1 - (one * other).sum(-1) / (one.norm(dim=-1) * other.norm(dim=-1))).mean())
    found = model.losses(batch, [[1]], hidden).masked
    assert found is not None
    torch.testing.assert_close(found, sum(losses) / 2)


def steps(part: str, kind: object, more: dict[str, object]) -> tuple[Smile, list[Losses], set[str]]:
    """Train three steps on one batch, as the training loop does: with a seed of its own for every step.

    Returns the names of the parameters that got a gradient, too.
    """
    settings = resolve("tiny", {"encoder.layers": 2, "training.steps": 3, part: kind} | more)
    model, lengths, found = Smile(settings, VOCABULARY), [30, 40], []
    initialise(model, 1)
    taught: set[str] = set()
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    for step in range(3):
        model.train().begin_step(step)
        torch.manual_seed(step)
        optimiser.zero_grad(set_to_none=True)
        losses = model.losses(inputs(lengths), [[1, 2], [3, 4, 4]], masks(model, lengths, step))
        losses.total.backward()
        optimiser.step()
        found.append(losses)
        taught |= {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    return model, found, taught


@pytest.mark.parametrize(("part", "kind"), NEW, ids=[f"{part}-{kind}" for part, kind in NEW])
@pytest.mark.parametrize("siamese", ["stop_gradient", "ema"])
def test_every_new_kind_trains_and_a_seed_decides_the_result(part: str, kind: object, siamese: str) -> None:
    (model, losses, taught), (again, _, _) = (steps(part, kind, {"siamese": siamese}) for _ in range(2))
    assert all(np.isfinite(each.total.item()) for each in losses)
    assert losses[-1].ctc.item() < losses[0].ctc.item()
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, again.get_parameter(name)), name
    assert taught == {name for name, parameter in model.named_parameters() if parameter.requires_grad}
