"""The kinds of `fusion.output` and `fusion.layers`, against loops, and that padding and layers count as their kinds say."""

import math

import pytest
import torch
from torch import Tensor

from common.errors import UserError
from model.config import resolve
from model.fusion import build_layer_sum
from model.fusion_output import Attended, build_output
from model.kinds import AttentionOutput, ConcatenateOutput, MeanLayers, SumOutput
from model.smile import Smile, initialise, parameter_count

WIDTH, HEADS, FRAMES = 16, 2, 6


def streams() -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    audio, video = (torch.randn(2, FRAMES, WIDTH, generator=draw) for _ in range(2))
    return audio, video, torch.arange(FRAMES)[None] >= torch.tensor([6, 4])[:, None]


def test_the_sum_needs_no_module() -> None:
    assert build_output(SumOutput(), WIDTH, HEADS) is None


def test_concatenation_projects_the_channels_of_both_streams() -> None:
    module, (audio, video, padding) = build_output(ConcatenateOutput(), WIDTH, HEADS), streams()
    assert module is not None
    assert parameter_count(module) == 2 * WIDTH * WIDTH + WIDTH
    weight, bias = module.get_parameter("project.weight"), module.get_parameter("project.bias")
    expected = audio @ weight[:, :WIDTH].T + video @ weight[:, WIDTH:].T + bias
    torch.testing.assert_close(module(audio, video, padding), expected)


def attended_by_loop(module: Attended, audio: Tensor, video: Tensor, padding: Tensor) -> Tensor:
    wide, out = WIDTH // HEADS, torch.zeros_like(audio)
    heard, seen = module.norms["audio"](audio), module.norms["video"](video)
    q, (k, v) = module.query(heard), module.frames(seen).chunk(2, dim=-1)

    def score(query: Tensor, key: Tensor, distance: int) -> float:
        total = 0.0
        for n in range(wide // 2):
            angle = distance * math.exp(-2 * math.log(400.0) * n / wide)
            a, b, c, d = (float(x) for x in (query[n], query[n + wide // 2], key[n], key[n + wide // 2]))
            total += (a * c + b * d) * math.cos(angle) + (b * c - a * d) * math.sin(angle)
        return total / math.sqrt(wide)

    for b in range(len(audio)):
        reached = [j for j in range(FRAMES) if not padding[b, j]]
        for i in range(FRAMES):
            for head in range(HEADS):
                part = slice(head * wide, (head + 1) * wide)
                scores = torch.tensor([score(q[b, i, part], k[b, j, part], j - i) for j in reached])
                out[b, i, part] = scores.softmax(0) @ v[b, reached, part]
    return audio + module.out(out)


@torch.no_grad()
def test_audio_attends_to_video_as_a_loop_over_frames() -> None:
    module, (audio, video, padding) = build_output(AttentionOutput(), WIDTH, HEADS), streams()
    assert isinstance(module, Attended)
    for number, parameter in enumerate(module.parameters()):
        parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number)) / 3)
    assert parameter_count(module) == 4 * (WIDTH * WIDTH + WIDTH) + 4 * WIDTH
    expected = attended_by_loop(module, audio, video, padding)
    torch.testing.assert_close(module(audio, video, padding), expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_audio_does_not_attend_to_padding() -> None:
    module, (audio, video, padding) = build_output(AttentionOutput(), WIDTH, HEADS), streams()
    assert module is not None
    other = video + 100 * torch.randn_like(video) * padding[..., None]
    torch.testing.assert_close(module(audio, video, padding), module(audio, other, padding))


@pytest.mark.parametrize("kind", ["sum", "concatenate", "attention"])
def test_the_scale_weights_the_video_under_every_output(kind: str) -> None:
    """With a scale of 0 the recogniser's input does not depend on the video's features."""
    model = Smile(resolve("tiny", {"fusion.output": kind, "fusion.scale": "zero"}), 9).eval()
    initialise(model, 0)
    width, padding = model.settings.encoder.width, torch.zeros(1, FRAMES, dtype=torch.bool)
    audio, one, other = (torch.randn(1, FRAMES, width) for _ in range(3))
    layers = [[{"audio": audio, "video": video}] * 3 for video in (one, other)]
    torch.testing.assert_close(model.fuse(layers[0], padding), model.fuse(layers[1], padding))
    learned = Smile(resolve("tiny", {"fusion.output": kind}), 9).eval()
    assert not torch.allclose(learned.fuse(layers[0], padding), learned.fuse(layers[1], padding))


@pytest.mark.parametrize("last", [1, 2, 4])
def test_the_mean_of_the_last_layers_is_torchs(last: int) -> None:
    outputs = [torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(n)) for n in range(4)]
    module = build_layer_sum(MeanLayers(last=last), 4)
    torch.testing.assert_close(module(outputs), torch.stack(outputs[-last:]).mean(0))
    assert module.weights().tolist() == [0.0] * (4 - last) + [pytest.approx(1 / last)] * last
    assert parameter_count(module) == 0


@pytest.mark.parametrize("last", [0, -1, 4, 49, 1.5, "two"])
def test_a_mean_over_layers_that_do_not_exist_is_refused(last: object) -> None:
    with pytest.raises(UserError) as refused:
        resolve("tiny", {"fusion.layers": {"kind": "mean", "last": last}})
    assert "last" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert resolve("base", {"fusion.layers": {"kind": "mean", "last": 4}}).parts.fusion_layers == MeanLayers(last=4)
