"""Typed settings of the kinds of the Siamese parts; `siamese.py` holds their code. Imports no torch."""

from typing import Literal

from pydantic import Field

from model.kind import Kind, PartText


class SiameseKind(Kind):
    part = PartText(
        "how the unmasked target branch teaches the masked student branch",
        ("siamese masked interaction learning", "siamese branch", "siamese strategy"),
    )


class StopGradientSiamese(SiameseKind):
    description = (
        "the student predicts the unmasked features of the target branch; no gradient flows through the target"
    )
    phrases = ("stop gradient", "stop-gradient", "siamese masked interaction learning")
    arm = "stop-gradient"
    kind: Literal["stop_gradient"] = "stop_gradient"


class EmaSiamese(SiameseKind):
    """After every step `teacher = momentum * teacher + (1 - momentum) * student`; the momentum rises linearly."""

    description = "the target branch has its own weights: an exponential moving average of the student's"
    phrases = ("ema", "exponential moving average", "momentum encoder", "ema target", "mean teacher")
    arm = "ema"
    kind: Literal["ema"] = "ema"
    momentum: float = Field(0.999, ge=0, le=1, description="at the first step")
    final_momentum: float = Field(0.9999, ge=0, le=1, description="at the last step")


class NoStopGradientSiamese(SiameseKind):
    description = "control: the gradient also flows through the target branch, which risks a collapse"
    phrases = ("no stop gradient", "without stop gradient", "no stop-gradient", "without stop-gradient")
    arm = "no-stop-gradient"
    lacks = "the stop-gradient"
    kind: Literal["no_stop_gradient"] = "no_stop_gradient"


class NoSiamese(SiameseKind):
    description = "no target branch and no masked-prediction loss"
    phrases = ("no siamese branch", "no siamese", "without siamese masked interaction learning")
    arm = "no-siamese"
    lacks = "the Siamese branch"
    kind: Literal["none"] = "none"


class SiameseLossKind(Kind):
    part = PartText(
        "how the student's prediction of the target's features is scored",
        ("siamese loss", "masked prediction loss", "masked-prediction loss", "mrm loss", "masked representation loss"),
    )


class CosineLoss(SiameseLossKind):
    description = "1 - cosine similarity of predicted and target features: compares their directions"
    phrases = ("cosine", "cosine similarity", "cosine loss")
    arm = "cosine-loss"
    kind: Literal["cosine"] = "cosine"


class MseLoss(SiameseLossKind):
    description = "mean squared error between predicted and target features: compares their values"
    phrases = ("mse", "mean squared error", "mse loss", "l2 loss")
    arm = "mse-loss"
    kind: Literal["mse"] = "mse"


class SiameseHeadKind(Kind):
    part = PartText(
        "what predicts the target's features from the student's",
        ("siamese head", "prediction head", "predictor", "prediction heads for the loss"),
    )


class TwoLayerHead(SiameseHeadKind):
    description = "two linear layers with GELU between them"
    phrases = ("two-layer head", "two-layer predictor", "two layers", "mlp head", "nonlinear head")
    arm = "two-layer-head"
    kind: Literal["two_layers"] = "two_layers"


class LinearHead(SiameseHeadKind):
    description = "one linear layer"
    phrases = ("linear head", "linear predictor", "one-layer head", "linear layer")
    arm = "linear-head"
    kind: Literal["linear"] = "linear"


class NoHead(SiameseHeadKind):
    description = "the student's features themselves are the prediction"
    phrases = ("no prediction head", "no head", "no predictor", "without predictor")
    arm = "no-head"
    lacks = "the prediction head"
    kind: Literal["none"] = "none"


class SiameseTargetKind(Kind):
    part = PartText(
        "which features of the target branch the student predicts",
        ("siamese target", "reconstruction target", "prediction target", "masking strategies"),
    )


class SummedTarget(SiameseTargetKind):
    description = "each stream after the encoder, summed over the layers as `fusion.layers` says"
    phrases = ("summed layers", "sum of the target's layers", "encoder features")
    arm = "summed-target"
    kind: Literal["layers"] = "layers"


class LastLayerTarget(SiameseTargetKind):
    description = "each stream after the last layer of the encoder"
    phrases = ("last layer target", "last layer", "top layer features")
    arm = "last-layer-target"
    kind: Literal["last"] = "last"


class InputTarget(SiameseTargetKind):
    description = "each stream before the encoder: its unmasked input"
    phrases = ("encoder input", "input features", "unmasked input features", "frontend features")
    arm = "input-target"
    kind: Literal["input"] = "input"
