"""The multichannel Wiener filter, which makes estimates of sources agree with the mixture.

Nugraha, Liutkus and Vincent, "Multichannel music separation with deep neural networks", EUSIPCO 2016, in
the weighted form of Open-Unmix: a source has a power in each bin and a spatial covariance in each
frequency, and each iteration measures both on the estimates and filters the mixture by them. It does so
in double precision: where both channels are nearly the same, so are the rows of the covariances.
"""

import torch

LARGEST = 10.0  # magnitude that mixtures are scaled down to
FLOOR = 1e-10  # power that no source explains


def wiener_filtered(
    magnitudes: torch.Tensor,
    mix: torch.Tensor,
    iterations: int,
    soft_masks: bool = False,
    residual: bool = False,
    window: int = 300,
) -> torch.Tensor:
    """Spectra of the sources, complex `(batch, source, channel, frequency, frame)`.

    Args:
        magnitudes: of the sources, `(batch, source, channel, frequency, frame)`.
        mix: complex spectra of the mixtures, `(batch, channel, frequency, frame)`.
        iterations: of expectation and maximisation; 0 gives the magnitudes the mixture's phase.
        soft_masks: True begins with the mixture's shares that the magnitudes have in their sum.
        residual: True adds one more source, what the others leave of the mixture.
        window: frames that are filtered at a time; memory depends on it, and sources may move from
            one window to the next.
    """
    filtered = [
        in_one_window(*parts, iterations, soft_masks, residual)
        for parts in zip(magnitudes.split(window, -1), mix.split(window, -1), strict=True)
    ]
    return torch.cat(filtered, dim=-1)


def in_one_window(
    magnitudes: torch.Tensor,
    mix: torch.Tensor,
    iterations: int,
    soft_masks: bool,
    residual: bool,
) -> torch.Tensor:
    if soft_masks:
        shares = magnitudes / (magnitudes.sum(dim=1, keepdim=True) + FLOOR)
        sources = shares * mix.unsqueeze(1)
    else:
        sources = torch.polar(magnitudes, mix.angle().unsqueeze(1).expand_as(magnitudes))
    if residual:
        rest = mix.unsqueeze(1) - sources.sum(dim=1, keepdim=True)
        sources = torch.cat([sources, rest], dim=1)
    if iterations == 0:
        return sources
    scale = (mix.abs().amax(dim=(1, 2, 3), keepdim=True) / LARGEST).clamp_min(1.0)
    scaled, refined = (mix / scale).cdouble(), (sources / scale.unsqueeze(1)).cdouble()
    for _ in range(iterations):
        refined = filtered_once(refined, scaled)
    return refined.to(mix.dtype) * scale.unsqueeze(1)


def filtered_once(sources: torch.Tensor, mix: torch.Tensor) -> torch.Tensor:
    """Sources and mix filtered by the powers and covariances of the sources; shapes as above."""
    powers = sources.abs().square().mean(dim=2)  # (batch, source, frequency, frame)
    covariances = torch.einsum("bscft,bsdft->bsfcd", sources, sources.conj())
    covariances = covariances / (powers.sum(dim=-1) + FLOOR)[..., None, None]
    of_mix = torch.einsum("bsft,bsfcd->bftcd", powers.to(mix.dtype), covariances)
    of_mix = of_mix + FLOOR**0.5 * torch.eye(mix.shape[1], device=mix.device)
    whitened = torch.linalg.solve(
        of_mix, mix.permute(0, 2, 3, 1)
    )  # (batch, frequency, frame, channel)
    return powers.unsqueeze(2) * torch.einsum("bsfcd,bftd->bscft", covariances, whitened)
