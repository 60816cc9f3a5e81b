"""The model: every kind of every part runs, padding changes nothing, gradients flow, shared weights start equal."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from model.config import resolve
from model.parts import PARTS
from model.smile import Inputs, Smile, initialise, parameter_count

VOCABULARY = 9
KINDS = [(part, kind) for part, entry in PARTS.items() for kind in entry.kinds]


def build(part: str = "fusion.scale", kind: str = "learned", seed: int = 1, **more: object) -> Smile:
    overrides = {"encoder.dropout": 0.0, "encoder.layers": 2, part: {"kind": kind}} | more
    model = Smile(resolve("tiny", overrides), VOCABULARY)
    initialise(model, seed)
    return model


def inputs(lengths: list[int], seed: int = 0) -> Inputs:
    generator, frames = torch.Generator().manual_seed(seed), max(lengths)
    padding = torch.arange(frames)[None] >= torch.tensor(lengths)[:, None]
    audio = torch.randn(len(lengths), frames * 640, generator=generator) * 0.1
    video = torch.randint(256, (len(lengths), frames, 88, 88), generator=generator, dtype=torch.uint8)
    return Inputs(audio * ~padding.repeat_interleave(640, 1), video * ~padding[..., None, None], padding, lengths)


def masks(model: Smile, lengths: list[int], seed: int = 0) -> dict[str, torch.Tensor]:
    return model.sample_masks(lengths, {name: np.random.default_rng([seed, n]) for n, name in enumerate(model.streams)})


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("part", "kind"), KINDS)
def test_every_kind_gives_log_probabilities_and_a_gradient_for_every_parameter(part: str, kind: str) -> None:
    model, lengths = build(part, kind), [20, 126]
    batch = inputs(lengths)
    log_probs = model(batch)
    assert log_probs.shape == (2, 126, VOCABULARY)
    assert log_probs.exp().sum(-1).detach() == pytest.approx(torch.ones(2, 126), abs=1e-4)
    model.losses(batch, [[1, 2], [3, 4, 4]], masks(model, lengths)).total.backward()
    untouched = {name for name, p in model.named_parameters() if p.grad is None}
    unused = {"siamese.", "mask_tokens."} if (part, kind) == ("masking", "none") else set()
    assert not {name for name in untouched if not name.startswith(tuple(unused))}


@pytest.mark.parametrize(("part", "kind"), KINDS)
def test_padding_changes_no_output(part: str, kind: str) -> None:
    model = build(part, kind).eval()
    both, alone = inputs([20, 33]), inputs([20, 33])
    alone = Inputs(alone.audio[:1, : 20 * 640], alone.video[:1, :20], alone.padding[:1, :20], [20])
    with torch.no_grad():
        torch.testing.assert_close(model(both)[:1, :20], model(alone), atol=2e-4, rtol=1e-3)


def test_static_one_and_none_are_the_same_function_and_learned_starts_as_it() -> None:
    batch = inputs([20])
    outputs = [build("fusion.scale", kind).eval()(batch) for kind in ("none", "learned")]
    static = build(**{"fusion.scale": {"kind": "static", "value": 1.0}}).eval()(batch)
    torch.testing.assert_close(outputs[0], outputs[1])
    torch.testing.assert_close(outputs[0], static)


def test_a_single_stream_ignores_the_other() -> None:
    model, one, other = build("fusion.tokens", "audio_only").eval(), inputs([20], 0), inputs([20], 1)
    torch.testing.assert_close(model(one), model(Inputs(one.audio, other.video, one.padding, [20])), rtol=0, atol=0)
    assert not torch.allclose(model(one), model(other))


def test_the_student_sees_masks_and_the_recogniser_does_not() -> None:
    model, batch = build(), inputs([26])
    nothing = {name: torch.zeros(1, 26, dtype=torch.bool) for name in model.streams}
    everything = {name: ~mask for name, mask in nothing.items()}
    assert model.losses(batch, [[1]], nothing).ctc.item() != model.losses(batch, [[1]], everything).ctc.item()


def test_no_gradient_flows_through_the_target() -> None:
    """With the student's input masked everywhere, the frontends can only be reached through the target branch."""
    model, batch = build(**{"training.alpha": 0.0}), inputs([26])
    model.losses(batch, [[1]], {name: torch.ones(1, 26, dtype=torch.bool) for name in model.streams}).total.backward()
    for name, parameter in model.frontends.named_parameters():
        assert parameter.grad is None or not parameter.grad.any(), name


def test_arms_start_from_the_same_weights_where_they_share_a_module_and_the_seed_matters() -> None:
    base = build().state_dict()
    for part, kind in KINDS:
        arm = build(part, kind).state_dict()
        for name in {name for name in arm.keys() & base.keys() if name != "scale.scale"}:
            assert torch.equal(arm[name], base[name]), (part, kind, name)
    other = build(seed=2).state_dict()
    assert not torch.equal(other["head.1.weight"], base["head.1.weight"])


def test_initialising_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    build()
    model = build()
    torch.set_rng_state(before)
    initialise(model, 3)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_tiny_preset_is_tiny() -> None:
    assert parameter_count(Smile(resolve("tiny", {}), 52)) <= 1_500_000
