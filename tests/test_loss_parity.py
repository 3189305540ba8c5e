"""Our losses against asteroid's and the packages', on the same waveforms."""

import itertools

import pytest
import torch
from scipy.signal import resample_poly

from audition.compat import stand_ins
from audition.losses import (
    LogMSELoss,
    MixITLoss,
    MSELoss,
    MultiResolutionSTFTLoss,
    PermutationInvariantLoss,
    SDSDRLoss,
    SinkPITLoss,
    SISDRLoss,
    SNRLoss,
    STOILoss,
)
from audition.losses.perceptual import resampled
from audition.losses.permutation import assignment, pairwise_losses, reordered
from audition.losses.spectral import magnitudes
from tests.support.parity import peer

asteroid = pytest.importorskip(
    "asteroid.losses", reason="needs pip install --no-deps -r requirements-peers.txt"
)
RATIOS = {"sisdr": SISDRLoss, "sdsdr": SDSDRLoss, "snr": SNRLoss}
CLOSE = {"atol": 1e-5, "rtol": 1e-5}


def signals(num_sources, num_estimates=None, batch=3, num_samples=800):
    """Estimates of some noise and sources, both `(batch, source, sample)` as asteroid has them."""
    generator = torch.Generator().manual_seed(num_sources)
    sources = torch.randn(batch, num_sources, num_samples, generator=generator) + 0.2
    noise = torch.randn(batch, num_sources, num_samples, generator=generator)
    return sources.flip(1) + 0.5 * noise, sources


def ours(x):
    """`(batch, source, sample)` → `(batch, channel, sample, source)`."""
    return x.mT.unsqueeze(1)


@pytest.mark.parametrize("zero_mean", [True, False])
@pytest.mark.parametrize("name", RATIOS)
def test_ratios_of_all_pairs(name, zero_mean):
    estimates, sources = signals(3)
    theirs = asteroid.PairwiseNegSDR(name, zero_mean=zero_mean)(estimates, sources)
    found = RATIOS[name](zero_mean=zero_mean).pairwise(ours(estimates), ours(sources))
    torch.testing.assert_close(found, theirs, **CLOSE)


@pytest.mark.parametrize("zero_mean", [True, False])
@pytest.mark.parametrize("name", RATIOS)
def test_ratios_of_one_source(name, zero_mean):
    from asteroid.losses.sdr import SingleSrcNegSDR

    estimates, sources = signals(1)
    theirs = SingleSrcNegSDR(name, zero_mean=zero_mean)(estimates[:, 0], sources[:, 0]).mean()
    found = RATIOS[name](zero_mean=zero_mean)(ours(estimates), ours(sources))
    torch.testing.assert_close(found, theirs, **CLOSE)


@pytest.mark.parametrize("num_sources", [2, 3, 5])
@pytest.mark.parametrize("name", RATIOS)
def test_ratios_of_the_best_permutation_and_their_gradients(name, num_sources):
    found, gradients = [], []
    theirs = asteroid.PITLossWrapper(asteroid.PairwiseNegSDR(name))
    for loss, form in ((theirs, lambda x: x), (PermutationInvariantLoss(RATIOS[name]()), ours)):
        estimates, sources = signals(num_sources)
        estimates.requires_grad_()
        found.append(loss(form(estimates), form(sources)))
        gradients.append(torch.autograd.grad(found[-1], estimates)[0])
    torch.testing.assert_close(*found, **CLOSE)
    torch.testing.assert_close(*gradients, atol=1e-6, rtol=1e-4)


def test_mean_squared_errors():
    estimates, sources = signals(3)
    theirs = asteroid.pairwise_mse(estimates, sources)
    torch.testing.assert_close(MSELoss().pairwise(ours(estimates), ours(sources)), theirs, **CLOSE)
    in_db = LogMSELoss().pairwise(ours(estimates), ours(sources))
    torch.testing.assert_close(in_db, 10 * theirs.log10(), **CLOSE)


def test_the_order_of_the_estimates():
    estimates, sources = signals(4)
    _, theirs = asteroid.PITLossWrapper(asteroid.pairwise_neg_sisdr)(
        estimates, sources, return_est=True
    )
    order = assignment(pairwise_losses(SISDRLoss(), ours(estimates), ours(sources)))
    assert torch.equal(reordered(ours(estimates), order), ours(theirs))


@pytest.mark.parametrize("num_estimates", [2, 4, 5])
@pytest.mark.parametrize("search", ["exhaustive", "least_squares"])
@pytest.mark.parametrize("inner", ["snr", "mse"])
def test_mixtures_of_mixtures(num_estimates, search, inner):
    """Estimates that are the sources and some noise: the fit finds what the trials find."""
    sources = signals(num_estimates)[1]
    mixtures = torch.stack([sources[:, ::2].sum(1), sources[:, 1::2].sum(1)], dim=1)
    estimates = sources.flip(1) + 0.1 * torch.randn(sources.shape)
    theirs = {"snr": asteroid.multisrc_neg_snr, "mse": asteroid.multisrc_mse}[inner]
    loss = {"snr": SNRLoss, "mse": MSELoss}[inner]()
    torch.testing.assert_close(
        MixITLoss(loss, search)(ours(estimates), mixtures.unsqueeze(2)),
        asteroid.MixITLossWrapper(theirs)(estimates, mixtures),
        **CLOSE,
    )


def test_mixtures_of_mixtures_that_the_estimates_don_t_fit():
    estimates, _ = signals(4)
    _, mixtures = signals(2)
    torch.testing.assert_close(
        MixITLoss(SNRLoss())(ours(estimates), mixtures.unsqueeze(2)),
        asteroid.MixITLossWrapper(asteroid.multisrc_neg_snr)(estimates, mixtures),
        **CLOSE,
    )


@pytest.mark.parametrize("beta", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("num_sources", [2, 5])
def test_soft_permutations(num_sources, beta):
    theirs = asteroid.SinkPITLossWrapper(asteroid.pairwise_neg_sisdr, n_iter=40)
    theirs.beta = beta
    mine = SinkPITLoss(SISDRLoss(), beta, num_iterations=40)
    estimates, sources = signals(num_sources)
    for _ in ("training", "validation"):
        found = mine(ours(estimates), ours(sources))
        torch.testing.assert_close(found, theirs(estimates, sources), **CLOSE)
        mine.eval(), theirs.eval()


def test_magnitudes_at_several_resolutions():
    """asteroid's sums, over its own windows and filters, divided into means over ours."""
    (estimates, sources), lengths = signals(1), (256, 64)
    theirs = asteroid.SingleSrcMultiScaleSpectral(lengths, lengths, [n // 4 for n in lengths])
    loss = MultiResolutionSTFTLoss(lengths, convergence=0.0, magnitude=1.0)
    expected = []
    for resolution in loss.resolutions:

        def filters(x, resolution=resolution):
            spectra = loss.stft(x.squeeze(1), *resolution)
            return torch.cat([spectra.real, spectra.imag], dim=1)

        sums = theirs.compute_spectral_loss(filters, estimates[:, 0], sources[:, 0])
        expected.append(sums / magnitudes(loss.stft(sources[:1, 0], *resolution)).numel())
    found = loss(ours(estimates), ours(sources))
    torch.testing.assert_close(found, torch.stack(expected).mean(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("sample_rate", [8000, 16000])
def test_pmsqe(sample_rate):
    from asteroid_filterbanks import STFTFB, Encoder, transforms

    from audition.losses import PMSQELoss

    estimates, sources = signals(2, num_samples=4000)
    length = sample_rate * 32 // 1000
    stft = Encoder(STFTFB(n_filters=length, kernel_size=length, stride=length // 2))
    powers = [transforms.mag(stft(x)).square() for x in (estimates, sources)]
    for power in powers:
        power[..., [0, -1], :] *= 2  # its filters halve the energy of the first and the last
    theirs = asteroid.PITLossWrapper(
        asteroid.SingleSrcPMSQE(sample_rate=sample_rate), pit_from="pw_pt"
    )
    found = PermutationInvariantLoss(PMSQELoss(sample_rate))(ours(estimates), ours(sources))
    torch.testing.assert_close(found, theirs(*powers), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("extended", [True, False])
def test_stoi(extended):
    with stand_ins.torchaudio():
        package = peer("torch_stoi")
    stoi = package.NegSTOILoss(10000, extended=extended, do_resample=False)
    estimates, sources = signals(2, num_samples=8000)
    loss = STOILoss(10000, extended=extended)
    found = loss(ours(estimates), ours(sources))
    torch.testing.assert_close(found, stoi(estimates, sources).mean(), **CLOSE)
    pairs = loss.pairwise(ours(estimates), ours(sources))
    for one, other in itertools.product(range(2), repeat=2):
        alone = stoi(estimates[:, one], sources[:, other])
        torch.testing.assert_close(pairs[:, one, other], alone, **CLOSE)


@pytest.mark.parametrize("sample_rate", [8000, 16000])
def test_stoi_at_other_sample_rates_is_nearly_that_which_is_reported(sample_rate):
    with stand_ins.torchaudio():
        peer("torch_stoi")
    exact = peer("pystoi").stoi
    estimates, sources = signals(1, batch=1, num_samples=2 * sample_rate)
    expected = exact(sources[0, 0].numpy(), estimates[0, 0].numpy(), sample_rate)
    found = STOILoss(sample_rate)(ours(estimates), ours(sources)).item()
    assert -found == pytest.approx(expected, abs=5e-3)


@pytest.mark.parametrize("rates", [(8000, 10000), (16000, 10000), (10000, 10000)])
def test_resampling_is_scipys(rates):
    signals = torch.randn(2, 801, dtype=torch.double)
    expected = resample_poly(signals.numpy(), rates[1], rates[0], axis=1)
    torch.testing.assert_close(resampled(signals, *rates), torch.from_numpy(expected))
