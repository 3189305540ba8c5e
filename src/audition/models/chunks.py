"""The frame of dual-path networks: long sequences cut into chunks, which blocks process within and
across (Luo, Chen and Yoshioka, ICASSP 2020)."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from audition.models.masking import activation


class Chunks(nn.Module):
    """Cuts frames into overlapping chunks, and adds chunks up again.

    Args:
        chunk_size: frames in a chunk (K).
        hop_size: between their starts; None is half a chunk (P).
    """

    def __init__(self, chunk_size: int, hop_size: int | None = None):
        super().__init__()
        self.chunk_size, self.hop_size = chunk_size, hop_size or chunk_size // 2

    def padding(self, num_frames: int) -> tuple[int, int]:
        """How many frames of zeros go before and after."""
        return self.chunk_size, self.chunk_size

    def cut(self, x: torch.Tensor) -> torch.Tensor:
        """`(batch, channel, chunk_size, chunk)` of `(batch, channel, frame)`."""
        padded = functional.pad(x, self.padding(x.shape[-1]))
        return padded.unfold(-1, self.chunk_size, self.hop_size).transpose(2, 3)

    def add(self, chunks: torch.Tensor, num_frames: int) -> torch.Tensor:
        """`(batch, channel, frame)` of `(batch, channel, chunk_size, chunk)`; overlaps are summed."""
        before, after = self.padding(num_frames)
        length = before + num_frames + after
        window = {"kernel_size": (self.chunk_size, 1), "stride": (self.hop_size, 1)}
        added = functional.fold(chunks.flatten(1, 2), (length, 1), **window)
        return added[:, :, before : before + num_frames, 0]


class PairedChunks(Chunks):
    """Half overlapping chunks, of which there is an even number, as SepFormer was trained."""

    def padding(self, num_frames: int) -> tuple[int, int]:
        half, size = self.hop_size, self.chunk_size
        return half, half + size - (half + num_frames) % size


def within_chunks(process: Callable, x: torch.Tensor) -> torch.Tensor:
    """Applies what takes `(batch, frame, channel)` to each chunk of `(batch, channel, frame, chunk)`."""
    sequences = x.permute(0, 3, 2, 1)
    out = process(sequences.flatten(0, 1)).unflatten(0, sequences.shape[:2])
    return out.permute(0, 3, 2, 1)


def across_chunks(process: Callable, x: torch.Tensor) -> torch.Tensor:
    """The same along the chunks, for each place in a chunk."""
    sequences = x.permute(0, 2, 3, 1)
    out = process(sequences.flatten(0, 1)).unflatten(0, sequences.shape[:2])
    return out.permute(0, 3, 1, 2)


class DualPathMasker(nn.Module):
    """Frames `(batch, filter, frame)` to masks `(batch, source, filter, frame)`.

    Args:
        entry: nn.Module from the frames to `(batch, channel, frame)`.
        blocks: nn.Modules on `(batch, channel, chunk_size, chunk)`.
        chunks: how the frames are cut.
        channels: of the blocks.
        num_sources: how many masks.
        exit: nn.Module from gated `(batch, channel, frame)` to scores of the filters.
        mean_of_overlaps: True divides what overlapping chunks add up to by their number.
    """

    def __init__(
        self,
        entry: nn.Module,
        blocks: list[nn.Module],
        chunks: Chunks,
        channels: int,
        num_sources: int,
        exit: nn.Module,
        mask_activation: str,
        mean_of_overlaps: bool = False,
    ):
        super().__init__()
        self.entry, self.blocks, self.chunks = entry, nn.Sequential(*blocks), chunks
        self.num_sources = num_sources
        self.per_source = nn.Sequential(nn.PReLU(), nn.Conv2d(channels, num_sources * channels, 1))
        self.value = nn.Sequential(nn.Conv1d(channels, channels, 1), nn.Tanh())
        self.gate = nn.Sequential(nn.Conv1d(channels, channels, 1), nn.Sigmoid())
        self.exit = exit
        self.activation = activation(mask_activation)
        self.overlap = chunks.chunk_size / chunks.hop_size if mean_of_overlaps else 1.0

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        x = self.per_source(self.blocks(self.chunks.cut(self.entry(frames))))
        x = x.unflatten(1, (self.num_sources, -1)).flatten(0, 1)
        x = self.chunks.add(x, frames.shape[-1]) / self.overlap
        scores = self.exit(self.value(x) * self.gate(x))
        return self.activation(scores.unflatten(0, (-1, self.num_sources)))
