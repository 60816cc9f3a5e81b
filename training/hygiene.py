"""Checks of a plan's arms before training: arms that compute the same function, sizes, and masked fractions.

A probe compares the arms. Small versions of them start from the same weights, see the same batch and the same masks, and take two
steps, one with the settings of the start of training and one with those of its end. Equal outputs, losses and gradients mean the
same function.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model.av_hubert import check_start
from model.config import load as load_settings
from model.kind import Kind
from model.kinds import MeanLayers
from model.masking import batch_mask, mask_statistics, sampler
from model.masking_kinds import NoMasking
from model.settings import Settings
from model.smile import Inputs, Smile, initialise, parameter_count
from model.tokens import inputs_of

VOCABULARY = 12
LENGTHS = [40, 28]  # frames of the probe's utterances
TARGETS = [[1, 2, 3], [4, 5]]
PROBE_ENCODER = {"width": 32, "layers": 2, "heads": 2, "feedforward": 32, "position_kernel": 8, "position_groups": 4}
PROBE_STEP = 0.05  # relative to the norm of each weight, so that the two steps differ much
MASKED_UTTERANCES, MASKED_FRAMES = 500, 75
BUILT_TO_COUNT = 1_000_000  # layers * width * width
NOTABLE_PARAMETERS = 0.01  # of the baseline's
NOTABLE_FRACTION = 0.01  # of the frames


@dataclass(frozen=True)
class ArmFacts:
    """Measurements of one arm. `masked` has per input the `fraction` of masked frames and the mean `run` of masked frames."""

    parameters: int
    masked: dict[str, dict[str, float]]

    @property
    def fraction(self) -> float:
        """Return the masked fraction, mean over the inputs."""
        return float(np.mean([found["fraction"] for found in self.masked.values()]))


@dataclass(frozen=True)
class Hygiene:
    """Facts by arm, the baseline first; groups of arms that compute the same function; and warnings, one sentence each."""

    facts: dict[str, ArmFacts]
    same: list[tuple[str, ...]]
    warnings: list[str]

    def lines(self) -> list[str]:
        """Return the measurements as text: the baseline, then the differences of each arm from it."""
        baseline, *others = self.facts
        whole = self.facts[baseline]
        found = [f"  {baseline}: {whole.parameters:,} parameters; masks {_masks_in_words(whole)}"]
        for arm in others:
            here, differences = self.facts[arm], []
            if here.parameters != whole.parameters:
                differences.append(f"{here.parameters - whole.parameters:+,} parameters")
            if here.masked != whole.masked:
                differences.append(f"masks {_masks_in_words(here)}")
            found += [f"  {arm}: {'; '.join(differences)}"] if differences else []
        return [f"measured (masks of {MASKED_FRAMES} frames; arms that are not listed equal the baseline):", *found]

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        arms = {arm: {"parameters": found.parameters, "masked": found.masked} for arm, found in self.facts.items()}
        return {"arms": arms, "same": [list(group) for group in self.same], "warnings": self.warnings}


def examine(arms: Mapping[str, Mapping[str, Any]]) -> Hygiene:
    """Measure the arms of a plan: name -> settings as the catalogue resolved them, the baseline first.

    Raises UserError if the checkpoint that an arm starts from does not fit.
    """
    typed = {arm: load_settings(settings) for arm, settings in arms.items()}
    check_start(list(typed.values()))
    with torch.random.fork_rng(devices=[]), _one_thread():
        same = identical(typed)
    facts = {
        arm: ArmFacts(_parameters(each), _masked(each.parts.masking, inputs_of(each.parts.fusion_tokens)))
        for arm, each in typed.items()
    }
    return Hygiene(facts, same, [*_same(same), *_sizes(facts), *_masks(facts, typed)])


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute without torch's other threads: on tensors this small, waiting for them takes most of the time of a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def identical(arms: Mapping[str, Settings]) -> list[tuple[str, ...]]:
    """Return groups of two or more arms that the probe cannot distinguish.

    The probe compares only arms that differ in parts and in the weights of the losses. An arm with another width or learning rate
    is another model, and a probe of one size and two steps cannot show that.
    """
    depth = _depth(arms.values())
    traces = {arm: _trace(_small(settings, depth)) for arm, settings in arms.items() if _has_a_twin(arm, arms)}
    groups: list[list[str]] = []
    for arm, trace in traces.items():
        for group in groups:
            if _rest(arms[group[0]]) == _rest(arms[arm]) and _equal(traces[group[0]], trace):
                group.append(arm)
                break
        else:
            groups.append([arm])
    return [tuple(group) for group in groups if len(group) > 1]


def _rest(settings: Settings) -> dict[str, Any]:
    """Return all settings that the probe ignores."""
    return settings.model_dump(exclude={"parts": True, "training": {"alpha", "beta"}})


def _has_a_twin(arm: str, arms: Mapping[str, Settings]) -> bool:
    return any(_rest(arms[arm]) == _rest(other) for name, other in arms.items() if name != arm)


def _depth(arms: Iterable[Settings]) -> int | None:
    """Return the least depth at which means over different numbers of the last layers differ; None if no arm has such a mean."""
    means = [
        each for each in arms if isinstance(each.parts.fusion_layers, MeanLayers) and each.parts.fusion_layers.last
    ]
    return max((each.encoder.layers for each in means), default=None)


def _small(settings: Settings, depth: int | None) -> Settings:
    """Return settings with the same parts in a model that takes 10 ms, with random weights and without dropout."""
    tree = settings.model_dump()
    tree["encoder"] |= PROBE_ENCODER | {"dropout": 0.0}
    if depth is not None:
        tree["encoder"]["layers"] = depth
    tree["decoder"] |= {"layers": min(1, settings.decoder.layers), "heads": 2, "feedforward": 32}
    tree["frontend"] |= {"video": "convolutions", "video_channels": (4, 8)}
    tree["init_from"] = {}
    return Settings.model_validate(tree)


def _trace(small: Settings) -> list[dict[str, Tensor]]:
    """Return the output, the loss and every gradient that is not zero, by name, for both steps."""
    model, inputs = Smile(small, VOCABULARY), _batch()
    initialise(model, 0)
    trace = []
    for step in (0, small.training.steps - 1):
        generators = {name: np.random.default_rng([step, number]) for number, name in enumerate(("audio", "video"))}
        masks = model.sample_masks(inputs.lengths, generators)
        model.train().begin_step(step)
        model.zero_grad(set_to_none=True)
        torch.manual_seed(step)
        loss = model.losses(inputs, TARGETS, masks).total
        loss.backward()
        trained = {name: p for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
        gradients = {name: p.grad.clone() for name, p in trained.items() if p.grad is not None}
        with torch.no_grad():
            trace.append({"output": model.eval()(inputs), "loss": loss.detach(), **gradients})
            for p in trained.values():
                assert p.grad is not None
                p.sub_(PROBE_STEP * (p.norm() + 0.1) * p.grad / p.grad.norm())
    return trace


def _batch() -> Inputs:
    draw, frames = torch.Generator().manual_seed(0), max(LENGTHS)
    padding = torch.arange(frames)[None] >= torch.tensor(LENGTHS)[:, None]
    audio = torch.randn(len(LENGTHS), frames * 640, generator=draw) * 0.1 * ~padding.repeat_interleave(640, 1)
    video = torch.randint(256, (len(LENGTHS), frames, 88, 88), generator=draw, dtype=torch.uint8)
    return Inputs(audio, video * ~padding[..., None, None], padding, LENGTHS)


def _equal(one: Sequence[dict[str, Tensor]], other: Sequence[dict[str, Tensor]]) -> bool:
    return all(
        first.keys() == second.keys()
        and all(torch.allclose(value, second[name], rtol=1e-3, atol=1e-6) for name, value in first.items())
        for first, second in zip(one, other, strict=True)
    )


def _parameters(settings: Settings) -> int:
    """Return the number of trained values at full size, with the vocabulary of the probe."""
    size = settings.encoder.layers * settings.encoder.width**2
    with torch.device("meta" if size > BUILT_TO_COUNT else "cpu"):  # meta allocates nothing, but its import takes 5 s
        return parameter_count(Smile(settings, VOCABULARY))


@lru_cache(maxsize=64)
def _masked(masking: Kind, inputs: tuple[str, ...]) -> dict[str, dict[str, float]]:
    lengths = [MASKED_FRAMES] * MASKED_UTTERANCES
    masks = {
        name: batch_mask(lengths, sampler(masking, name), np.random.default_rng(number))
        for number, name in enumerate(inputs)
    }
    return mask_statistics(masks, lengths)


def _masks_in_words(facts: ArmFacts) -> str:
    words = [
        f"{name} {found['fraction']:.0%} in runs of {found['run']:.1f}" if found["fraction"] else f"no {name}"
        for name, found in facts.masked.items()
    ]
    return ", ".join(words)


def _same(groups: Sequence[tuple[str, ...]]) -> list[str]:
    return [
        f"arms {' and '.join(repr(arm) for arm in group)} compute the same function (same outputs, losses and gradients "
        "from the same weights): training both compares a model with itself; keep one"
        for group in groups
    ]


def _sizes(facts: Mapping[str, ArmFacts]) -> list[str]:
    baseline, *others = facts
    size = facts[baseline].parameters
    return [
        f"arm {arm!r} trains {facts[arm].parameters:,} parameters, {100 * (facts[arm].parameters / size - 1):+.1f} % against "
        f"the baseline's {size:,}: the size may explain a difference"
        for arm in others
        if abs(facts[arm].parameters / size - 1) >= NOTABLE_PARAMETERS
    ]


def _masks(facts: Mapping[str, ArmFacts], arms: Mapping[str, Settings]) -> list[str]:
    """Return warnings for arms that replace the masking by another kind and thereby mask more or fewer frames."""
    baseline, *others = facts
    whole = facts[baseline].fraction
    return [
        f"arm {arm!r} masks {facts[arm].fraction:.2f} of the frames and the baseline {whole:.2f}: "
        "the masked fraction may explain a difference"
        for arm in others
        if facts[arm].masked.keys() == facts[baseline].masked.keys()
        and not isinstance(arms[arm].parts.masking, NoMasking)
        and abs(facts[arm].fraction - whole) > NOTABLE_FRACTION
    ]
