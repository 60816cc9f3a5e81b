"""The model: every kind of every part runs, padding changes nothing, gradients flow, common weights start equal."""

from collections.abc import Iterator

import pytest
import torch
from random_batches import inputs, masks

from model.config import resolve
from model.fusion import build_layer_sum
from model.kind import Kind
from model.kinds import LastLayer, LearnedLayers, MeanLayers
from model.parts import PARTS
from model.siamese import MaskedPrediction
from model.siamese_kinds import CosineLoss, MseLoss, TwoLayerHead
from model.smile import Inputs, Smile, initialise, parameter_count
from model.tokens import stream_masks

VOCABULARY = 9
KINDS = [(part, kind) for part, entry in PARTS.items() for kind in entry.kinds]


PUBLISHED = {
    "encoder.architecture": "transformer",
    "encoder.position_kernel": 8,
    "encoder.position_groups": 4,
    "frontend.audio": "filterbank",
}
both_encoders = pytest.mark.parametrize("encoder", [{}, PUBLISHED], ids=["conformer", "transformer"])


def build(part: str = "fusion.scale", kind: object = "learned", seed: int = 1, **more: object) -> Smile:
    overrides = {"encoder.dropout": 0.0, "encoder.layers": 2, part: kind} | more
    model = Smile(resolve("tiny", overrides), VOCABULARY)
    initialise(model, seed)
    return model


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("part", "kind"), KINDS)
@both_encoders
def test_every_kind_gives_log_probabilities_and_gradients(part: str, kind: str, encoder: dict[str, object]) -> None:
    model, lengths = build(part, kind, **encoder), [20, 126]
    batch = inputs(lengths)
    log_probs = model(batch)
    assert log_probs.shape == (2, 126, VOCABULARY)
    assert log_probs.exp().sum(-1).detach() == pytest.approx(torch.ones(2, 126), abs=1e-4)
    with torch.no_grad():
        for parameter in model.parameters():  # some start at zero and would hide others from the gradient
            parameter += 0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(parameter.numel()))
    model.losses(batch, [[1, 2], [3, 4, 4]], masks(model, lengths)).total.backward()
    unused = ("siamese.", "mask_tokens.") if (part, kind) == ("masking", "none") else ()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and not name.startswith(unused):
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize(("part", "kind"), KINDS)
@both_encoders
def test_padding_changes_no_output(part: str, kind: str, encoder: dict[str, object]) -> None:
    model = build(part, kind, **encoder).eval()
    both, alone = inputs([20, 33]), inputs([20, 33])
    alone = Inputs(alone.audio[:1, : 20 * 640], alone.video[:1, :20], alone.padding[:1, :20], [20])
    with torch.no_grad():
        torch.testing.assert_close(model(both)[:1, :20], model(alone), atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize(("part", "kind"), KINDS)
@both_encoders
def test_the_seed_decides_the_weights_and_so_the_output(part: str, kind: str, encoder: dict[str, object]) -> None:
    batch = inputs([20])
    first, again, other = (build(part, kind, seed, **encoder).eval()(batch) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_static_one_equals_none_and_learned_starts_there() -> None:
    batch = inputs([20])
    outputs = [build("fusion.scale", kind).eval()(batch) for kind in ("none", "learned")]
    static = build("fusion.scale", {"kind": "static", "value": 1.0}).eval()(batch)
    torch.testing.assert_close(outputs[0], outputs[1])
    torch.testing.assert_close(outputs[0], static)


def test_a_single_stream_ignores_the_other() -> None:
    model, one, other = build("fusion.tokens", "audio_only").eval(), inputs([20], 0), inputs([20], 1)
    torch.testing.assert_close(model(one), model(Inputs(one.audio, other.video, one.padding, [20])), rtol=0, atol=0)
    assert not torch.allclose(model(one), model(other))


def test_the_student_sees_masks_and_the_recogniser_does_not() -> None:
    model, batch = build(), inputs([26])
    nothing = {name: torch.zeros(1, 26, dtype=torch.bool) for name in model.inputs}
    everything = {name: ~mask for name, mask in nothing.items()}
    assert model.losses(batch, [[1]], nothing).ctc.item() != model.losses(batch, [[1]], everything).ctc.item()


def test_no_gradient_flows_through_the_target() -> None:
    """With the student's input masked everywhere, the frontends can only be reached through the target branch."""
    model, batch = build(**{"training.alpha": 0.0}), inputs([26])
    model.losses(batch, [[1]], {name: torch.ones(1, 26, dtype=torch.bool) for name in model.inputs}).total.backward()
    for name, parameter in model.frontends.named_parameters():
        assert parameter.grad is None or not parameter.grad.any(), name


def test_without_a_stop_gradient_the_target_is_taught_too() -> None:
    model, batch = build("siamese", "no_stop_gradient", **{"training.alpha": 0.0}), inputs([26])
    model.losses(batch, [[1]], {name: torch.ones(1, 26, dtype=torch.bool) for name in model.inputs}).total.backward()
    assert all(
        parameter.grad.abs().sum() > 0 for parameter in model.frontends.parameters() if parameter.grad is not None
    )
    assert any(parameter.grad is not None for parameter in model.frontends.parameters())


def test_the_teacher_is_an_average_and_is_not_trained() -> None:
    model = build("siamese", {"kind": "ema", "momentum": 0.9, "final_momentum": 0.95}, **{"training.steps": 10})
    assert model.teacher is not None
    start = {name: value.clone() for name, value in model.teacher.named_parameters()}
    assert all(torch.equal(value, dict(model.named_parameters())[name]) for name, value in start.items())
    assert parameter_count(model) == parameter_count(build())
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 1.0
    model.begin_step(0)
    assert all(torch.equal(value, start[name]) for name, value in model.teacher.named_parameters())
    model.begin_step(5)
    for name, value in model.teacher.named_parameters():
        torch.testing.assert_close(value, start[name] + (1 - 0.925), msg=name)
    assert {f"teacher.{name}" for name in start} <= model.state_dict().keys()


def test_the_teacher_and_not_the_student_makes_the_targets() -> None:
    batch, losses = inputs([26]), []
    for shift in (0.0, 1.0):
        model = build("siamese", "ema")
        assert model.teacher is not None
        with torch.no_grad():
            model.teacher.norms["audio"].weight += shift
        losses.append(model.losses(batch, [[1]], masks(model, [26])))
    assert losses[0].ctc.item() == losses[1].ctc.item()
    assert losses[0].masked != losses[1].masked


def test_a_frozen_scale_learns_until_its_time_has_come() -> None:
    model, batch = build("fusion.scale", {"kind": "frozen", "until": 0.5}, **{"training.steps": 10}), inputs([26])
    for step, learns in ((0, True), (4, True), (5, False), (9, False)):
        model.zero_grad(set_to_none=True)
        model.begin_step(step)
        model.losses(batch, [[1]], masks(model, [26])).total.backward()
        assert (model.get_parameter("scale.scale").grad is not None) == learns


def test_scales_per_layer_equal_one_scale_where_their_values_do() -> None:
    batch = inputs([20])
    one, many = build("fusion.scale", {"kind": "learned", "initial": 0.7}), build("fusion.scale", "per_layer")
    with torch.no_grad():
        many.get_parameter("scale.scale").fill_(0.7)
    torch.testing.assert_close(one.eval()(batch), many.eval()(batch))
    assert one.scale_values() == pytest.approx({"fusion/scale": 0.7})
    assert many.scale_values() == pytest.approx({"fusion/scale_0": 0.7, "fusion/scale_1": 0.7})
    with torch.no_grad():
        many.get_parameter("scale.scale")[0] = 0.1
    assert not torch.allclose(one(batch), many(batch))


def test_layers_are_summed_as_their_weights_say() -> None:
    outputs = [torch.full((1, 2, 3), float(number)) for number in range(4)]
    assert (build_layer_sum(MeanLayers(), 4)(outputs) == 1.5).all()
    assert (build_layer_sum(LastLayer(), 4)(outputs) == 3).all()
    learned = build_layer_sum(LearnedLayers(), 4)
    assert torch.allclose(learned(outputs), torch.tensor(1.5))
    with torch.no_grad():
        learned.get_parameter("omega")[2] = 50.0
    assert torch.allclose(learned(outputs), torch.tensor(2.0))
    for kind in (MeanLayers(), LastLayer(), LearnedLayers()):
        assert build_layer_sum(kind, 4).weights().sum().item() == pytest.approx(1.0)


def test_a_joint_token_has_both_streams_and_their_masks() -> None:
    model, batch = build("fusion.tokens", "channel").eval(), inputs([20])
    other = inputs([20], 1)
    assert not torch.allclose(model(batch), model(Inputs(other.audio, batch.video, batch.padding, [20])))
    assert not torch.allclose(model(batch), model(Inputs(batch.audio, other.video, batch.padding, [20])))
    audio, video = torch.tensor([[True, False, False]]), torch.tensor([[False, True, False]])
    assert stream_masks({"audio": audio, "video": video}, model.streams)["joint"].tolist() == [[True, True, False]]


@pytest.mark.parametrize(("loss", "expected"), [(CosineLoss(), 1.0), (MseLoss(), 2.0)])
def test_the_masked_losses_are_what_they_are_called(loss: Kind, expected: float) -> None:
    """The prediction is at a right angle to the target in two dimensions, both of length sqrt(2)."""
    siamese = MaskedPrediction(2, loss, TwoLayerHead())
    siamese.predictor = torch.nn.Identity()
    student, target = torch.tensor([[[1.0, 1.0], [9.0, 9.0]]]), torch.tensor([[[1.0, -1.0], [0.0, 0.0]]])
    mask = torch.tensor([[True, False]])
    assert siamese({"a": student}, {"a": target}, {"a": mask}).item() == pytest.approx(expected)
    assert siamese({"a": student}, {"a": target}, {"a": ~mask & mask}).item() == 0


def test_arms_with_a_common_module_start_with_the_same_weights() -> None:
    base = build().state_dict()
    for part, kind in KINDS:
        arm = build(part, kind).state_dict()
        for name in {name for name in arm.keys() & base.keys() if name != "scale.scale"}:
            assert torch.equal(arm[name], base[name]), (part, kind, name)
    other = build(seed=2).state_dict()
    assert not torch.equal(other["head.1.weight"], base["head.1.weight"])


@pytest.mark.parametrize(("part", "kind"), KINDS)
def test_arms_of_one_seed_draw_the_same_masks(part: str, kind: str) -> None:
    """But for masking itself; a single stream has the masks that it has beside the other."""
    model, lengths = build(part, kind), [126, 60]
    drawn = masks(model, lengths)
    if part != "masking":
        assert all(torch.equal(mask, masks(build(), lengths)[stream]) for stream, mask in drawn.items())
    if kind != "none" or part != "masking":
        assert not any(torch.equal(mask, masks(model, lengths, seed=1)[stream]) for stream, mask in drawn.items())
    assert all(torch.equal(mask, masks(model, lengths)[stream]) for stream, mask in drawn.items())


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


@pytest.mark.parametrize(("preset", "millions"), [("base", (100, 115)), ("large", (325, 345))])
def test_the_large_presets_have_av_huberts_sizes(preset: str, millions: tuple[int, int]) -> None:
    with torch.device("meta"):  # counted, not filled
        model = Smile(resolve(preset, {}), 1000)
    assert model.decoder is not None
    decoder = parameter_count(model.decoder)
    assert millions[0] <= (parameter_count(model) - decoder) / 1e6 <= millions[1]
    assert decoder / 1e6 == pytest.approx({"base": 58, "large": 153}[preset], rel=0.05)


def test_the_published_frontends_train_and_do_not_see_padding() -> None:
    more = {**PUBLISHED, "frontend.video": "resnet18", "frontend.mel_bins": 26}
    model, batch = build("fusion.tokens", "channel", **more), inputs([6, 9])
    model.losses(batch, [[1], [2]], masks(model, [6, 9])).total.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.frontends.parameters())
    alone = Inputs(batch.audio[:1, : 6 * 640], batch.video[:1, :6], batch.padding[:1, :6], [6])
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(batch)[:1, :6], model(alone), atol=2e-4, rtol=1e-3)
