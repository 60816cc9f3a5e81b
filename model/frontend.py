"""Frontends of `tiny`: from samples and pixels to one vector per 40 ms frame.

Shapes: B batch, T frames at 25 Hz, D model width. True in a padding mask = padding.
"""

import itertools

import torch
import torchaudio
from torch import Tensor, nn
from torch.nn import functional as F

from model.settings import FrontendSettings

HOPS_PER_FRAME = 4  # 10 ms hops in a 40 ms video frame
SAMPLES_PER_FRAME = 640
CROP_PX = 88
LEAST_CONTRAST = 2.5  # of 255: keeps a uniform picture from being amplified to noise


class AudioFrontend(nn.Module):
    """16 kHz samples (B, T * 640) -> (B, T, D): log-mel at 100 Hz, normalised per utterance, two strided convolutions."""

    def __init__(self, settings: FrontendSettings, width: int) -> None:
        super().__init__()
        with torch.device("cpu"):  # filters are computed values, so they exist also for a model on the meta device
            self.mel = torchaudio.transforms.MelSpectrogram(
                sample_rate=16_000,
                n_fft=512,
                win_length=400,
                hop_length=160,
                n_mels=settings.mel_bins,
                f_min=20.0,
                pad_mode="constant",  # a reflected end would differ from the end of an utterance that is padded with zeros
            )
        self.first = nn.Conv1d(settings.mel_bins, width, 5, stride=2, padding=2)
        self.second = nn.Conv1d(width, width, 3, stride=2, padding=1)

    def log_mel(self, samples: Tensor, padding: Tensor) -> Tensor:
        """(B, T * 640) -> (B, mel_bins, 4 T): zero mean and unit variance per utterance and bin, zeros in the padding."""
        frames = padding.shape[1] * HOPS_PER_FRAME
        log_mel = (self.mel(samples)[..., :frames] + 1e-6).log()
        kept = (~padding).repeat_interleave(HOPS_PER_FRAME, dim=1)[:, None]
        count = kept.sum(-1, keepdim=True)
        mean = (log_mel * kept).sum(-1, keepdim=True) / count
        variance = ((log_mel - mean).square() * kept).sum(-1, keepdim=True) / count
        return (log_mel - mean) / (variance + 1e-4).sqrt() * kept

    def forward(self, samples: Tensor, padding: Tensor) -> Tensor:
        kept = (~padding).repeat_interleave(HOPS_PER_FRAME // 2, dim=1)[:, None]
        x = F.gelu(self.first(self.log_mel(samples, padding))) * kept  # (B, D, 2T)
        return F.gelu(self.second(x)).transpose(1, 2)  # (B, T, D)


class VideoFrontend(nn.Module):
    """Grey mouth crops, uint8 (B, T, 88, 88) -> (B, T, D): a small convolutional network per frame.

    It processes only true frames, so batch statistics do not depend on padding, and padding takes no time.
    """

    def __init__(self, settings: FrontendSettings, width: int) -> None:
        super().__init__()
        self.pool = settings.video_pool
        channels = (1, *settings.video_channels)
        side = CROP_PX // self.pool
        blocks: list[nn.Module] = []
        for before, after in itertools.pairwise(channels):
            norm = nn.BatchNorm2d(after) if blocks else nn.Identity()  # a norm over the first, largest maps costs most
            blocks += [nn.Conv2d(before, after, 3, stride=2, padding=1), norm, nn.ReLU()]
            side = (side + 1) // 2
        self.net = nn.Sequential(*blocks, nn.Flatten(), nn.Linear(channels[-1] * side * side, width))
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # 1.3x faster on CPUs

    def forward(self, video: Tensor, padding: Tensor) -> Tensor:
        frames = pooled(video, self.pool)[~padding][:, None]  # (frames, 1, 88 / pool, 88 / pool)
        frames = normalise(frames, (~padding).nonzero()[:, 0], len(video))
        seen = self.net(frames.contiguous(memory_format=torch.channels_last))
        out = seen.new_zeros(*padding.shape, seen.shape[-1])
        out[~padding] = seen
        return out


def pooled(video: Tensor, side: int) -> Tensor:
    """uint8 (..., H, W) -> float (..., H / side, W / side): means of squares; rows and columns that fill no square are left out.

    Equal to `F.avg_pool2d` to the bit, at a quarter of its time: sums of whole numbers, and a division at the end. `side` <= 11.
    """
    rows, columns = (video.shape[axis] // side for axis in (-2, -1))
    squares = video[..., : rows * side, : columns * side].unflatten(-2, (rows, side))
    lines = squares.sum(-2, dtype=torch.int16).unflatten(-1, (columns, side))
    return lines.sum(-1, dtype=torch.int16).float() / side**2


def normalise(frames: Tensor, clip: Tensor, clips: int) -> Tensor:
    """(frames, 1, H, W) -> same: zero mean and unit variance per clip, which removes the effect of skin and light.

    `clip` is the number of the clip, of `clips`, for every frame.
    """
    count = torch.bincount(clip, minlength=clips)
    mean = frames.new_zeros(clips).index_add(0, clip, frames.mean((1, 2, 3))) / count
    centred = frames - mean[clip][:, None, None, None]
    variance = frames.new_zeros(clips).index_add(0, clip, centred.square().mean((1, 2, 3))) / count
    return centred / (variance.sqrt() + LEAST_CONTRAST)[clip][:, None, None, None]
