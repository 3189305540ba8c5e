"""Losses that stand for what listeners say, by the packages of those who wrote them."""

import importlib
import math
import warnings
from types import ModuleType

import torch
from scipy.signal import firwin
from torch.nn import functional

from audition.compat import stand_ins
from audition.errors import ConfigError
from audition.losses.base import WaveformLoss, loss

STOI_HZ = 10000  # at which STOI is defined
PMSQE_WINDOWS = {8000: 256, 16000: 512}  # sample rate in Hz → samples


def optional(module: str, name: str, packages: str) -> ModuleType:
    """The module that a loss stands on.

    Raises:
        ConfigError: it isn't installed.
    """
    try:
        with warnings.catch_warnings(), stand_ins.torchaudio():
            warnings.simplefilter("ignore")
            return importlib.import_module(module)
    except ImportError as error:
        missing = error.name.split(".")[0]
        raise ConfigError(
            f"{name} needs {missing}, which is not installed: pip install --no-deps {packages}."
        ) from error


class PerceptualLoss(WaveformLoss):
    """A loss whose package takes one signal beside another; channels are heard one by one."""

    def compare(self, estimates: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        estimates, targets = torch.broadcast_tensors(estimates, targets)
        shape, num_samples = estimates.shape[:-1], estimates.shape[-1]
        losses = self.of_signals(
            estimates.reshape(-1, num_samples), targets.reshape(-1, num_samples)
        )
        return losses.reshape(shape).mean(-1)

    def of_signals(self, estimates: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Losses `(signal,)` of two tensors `(signal, sample)`."""
        raise NotImplementedError(f"{type(self).__name__} has no of_signals method.")


@loss
class STOILoss(PerceptualLoss):
    """Negative short-time objective intelligibility (Taal et al., TASLP 2011), by `torch_stoi`.

    It needs at least half a second in which the source sounds.

    Args:
        sample_rate: Hz.
        use_vad: whether silent frames are left out.
        extended: whether it is ESTOI (Jensen and Taal, TASLP 2016).
    """

    def __init__(self, sample_rate: int, use_vad: bool = True, extended: bool = False):
        super().__init__()
        package = optional("torch_stoi", "STOILoss", "torch_stoi pystoi")
        self.sample_rate = sample_rate
        self.stoi = package.NegSTOILoss(STOI_HZ, use_vad, extended, do_resample=False)

    def of_signals(self, estimates: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return self.stoi(
            *(resampled(one, self.sample_rate, STOI_HZ) for one in (estimates, targets))
        )


def resampled(signals: torch.Tensor, old_hz: int, new_hz: int) -> torch.Tensor:
    """What scipy.signal.resample_poly makes of `(signal, sample)`, with gradients."""
    divisor = math.gcd(old_hz, new_hz)
    up, down = new_hz // divisor, old_hz // divisor
    if up == down:
        return signals
    half = 10 * max(up, down)
    taps = up * firwin(2 * half + 1, 1 / max(up, down), window=("kaiser", 5.0))
    between = signals.new_zeros(*signals.shape, up)
    between[..., 0] = signals
    filters = torch.as_tensor(taps, dtype=signals.dtype, device=signals.device)
    return functional.conv1d(
        between.flatten(1).unsqueeze(1), filters[None, None], stride=down, padding=half
    ).squeeze(1)


@loss
class PMSQELoss(PerceptualLoss):
    """Perceptual metric of speech quality (Martín-Doñas et al., IEEE SPL 2018), by asteroid. Silence has none.

    Args:
        sample_rate: 8000 or 16000 Hz.
    """

    def __init__(self, sample_rate: int):
        super().__init__()
        if sample_rate not in PMSQE_WINDOWS:
            raise ConfigError(f"PMSQELoss.sample_rate = {sample_rate} must be 8000 or 16000 Hz.")
        package = optional("asteroid.losses.pmsqe", "PMSQELoss", "-r requirements-peers.txt")
        self.pmsqe = package.SingleSrcPMSQE(sample_rate=sample_rate)
        window = torch.hann_window(PMSQE_WINDOWS[sample_rate]).sqrt()
        self.register_buffer("window", window, persistent=False)

    def of_signals(self, estimates: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return self.pmsqe(self.powers(estimates), self.powers(targets))

    def powers(self, signals: torch.Tensor) -> torch.Tensor:
        """`(signal, frame, frequency)`."""
        length = len(self.window)
        spectra = torch.stft(
            signals, length, length // 2, window=self.window, center=False, return_complex=True
        )
        return torch.view_as_real(spectra).square().sum(-1).mT
