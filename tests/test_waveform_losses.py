"""Losses of waveforms against their formulas, alone and inside of others."""

import itertools
import sys

import numpy as np
import nussl
import pytest
import torch

from audition.errors import ConfigError
from audition.losses import (
    L1Loss,
    LogMSELoss,
    Losses,
    MixITLoss,
    MSELoss,
    MultiResolutionSTFTLoss,
    PermutationInvariantLoss,
    SDSDRLoss,
    SinkPITLoss,
    SISDRLoss,
    SNRLoss,
    TimeFrequencyL1Loss,
)
from audition.losses.permutation import best_losses, mean_above, pairwise_losses

EVERY = [
    *(L1Loss, LogMSELoss, MSELoss, SDSDRLoss, SISDRLoss, SNRLoss),
    *(lambda: MultiResolutionSTFTLoss((64, 16)), lambda: TimeFrequencyL1Loss((64, 16), 9, 32)),
]
NAMES = ["l1", "log_mse", "mse", "sd_sdr", "si_sdr", "snr", "multi_resolution", "time_frequency"]


def waveforms(num_estimates, num_sources=None, channels=1, samples=300, noise=1.0):
    """Estimates and targets `(batch, channel, sample, source)`; the estimates are in reverse order."""
    generator = torch.Generator().manual_seed(num_estimates)
    sources = torch.randn(2, channels, samples, num_estimates, generator=generator)
    estimates = sources.flip(-1) + noise * torch.randn(sources.shape, generator=generator)
    return estimates, sources[..., :num_sources]


# pairs -----------------------------------------------------------------------------


@pytest.mark.parametrize("make", EVERY, ids=NAMES)
def test_the_losses_of_pairs_are_those_of_each_pair_alone(make):
    estimates, sources = waveforms(4, 3)
    found = make().pairwise(estimates, sources)
    assert found.shape == (2, 4, 3)
    for item, one, other in itertools.product(range(2), range(4), range(3)):
        pair = (
            x[item : item + 1, ..., place : place + 1]
            for x, place in zip((estimates, sources), (one, other), strict=True)
        )
        torch.testing.assert_close(found[item, one, other], make()(*pair), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("make", EVERY, ids=NAMES)
@pytest.mark.parametrize("num_sources", [2, 3, 5])
def test_permutation_invariance_finds_the_order(make, num_sources):
    estimates, sources = waveforms(num_sources, channels=2, noise=0.1)
    estimates.requires_grad_()
    found = PermutationInvariantLoss(make())(estimates, sources)
    expected = make()(estimates.flip(-1), sources)
    if make is not SISDRLoss:  # both channels make one ratio inside, alone each has its own
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    (gradient,) = torch.autograd.grad(found, estimates)
    assert gradient.isfinite().all() and gradient.abs().sum() > 0


@pytest.mark.parametrize(
    "settings", [{}, {"scaling": False}, {"zero_mean": False}, {"clip_min": 2}]
)
def test_si_sdr_of_pairs_is_nussls(settings):
    theirs = nussl.ml.train.loss.SISDRLoss.__mro__[2](reduction="none", **settings)
    estimates, sources = waveforms(3)
    expected = torch.stack([theirs(estimates[..., [one] * 3], sources) for one in range(3)], dim=1)
    found = SISDRLoss(**settings).pairwise(estimates, sources)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", [SISDRLoss, SNRLoss, SDSDRLoss])
def test_ratios_of_nearly_perfect_estimates_keep_their_digits(kind):
    estimates, sources = waveforms(2, samples=8000, noise=1e-4)
    found = PermutationInvariantLoss(kind())(estimates, sources)
    assert found.item() == pytest.approx(-80, abs=0.5)
    exact = PermutationInvariantLoss(kind())(estimates.double(), sources.double())
    assert found.item() == pytest.approx(exact.item(), abs=1e-4)


@pytest.mark.parametrize("make", EVERY, ids=NAMES)
@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_perfect_and_silent_estimates_have_gradients(make, scale):
    _, sources = waveforms(2)
    estimates = (scale * sources).requires_grad_()
    loss = PermutationInvariantLoss(make())(estimates, sources)
    (gradient,) = torch.autograd.grad(loss, estimates)
    assert loss.isfinite() and gradient.isfinite().all()


# formulas --------------------------------------------------------------------------


def test_the_ratios_by_their_definitions():
    (e,), (s,) = (x[:1, 0, :, 0].double().numpy() for x in waveforms(1, samples=50))
    e, s = e - e.mean(), s - s.mean()
    scaled = (e @ s) / (s @ s) * s
    expected = {
        SISDRLoss: (scaled @ scaled) / np.sum((e - scaled) ** 2),
        SDSDRLoss: (scaled @ scaled) / np.sum((e - s) ** 2),
        SNRLoss: (s @ s) / np.sum((e - s) ** 2),
    }
    e, s = (torch.from_numpy(x)[None, None, :, None] for x in (e, s))
    for kind, ratio in expected.items():
        assert kind()(e, s).item() == pytest.approx(-10 * np.log10(ratio), abs=1e-6)


def test_a_limit_of_the_ratio_is_neared_but_not_passed():
    losses = []
    for noise in (1.0, 1e-1, 1e-2, 1e-4):
        estimates, sources = waveforms(1, noise=noise)
        losses.append(SNRLoss(max_db=30)(estimates, sources).item())
    assert losses == sorted(losses, reverse=True)
    assert losses[0] == pytest.approx(0, abs=1)
    assert losses[-1] == pytest.approx(-30, abs=1e-3)


def test_the_channels_of_a_signal_make_one_ratio():
    """A channel in which the source is silent, and the estimate nearly so, doesn't spoil it."""
    estimates, sources = waveforms(1, channels=2, noise=0.1)
    alone = SNRLoss()(estimates[:, :1], sources[:, :1])
    estimates[:, 1], sources[:, 1] = 1e-4, 0.0
    torch.testing.assert_close(SNRLoss()(estimates, sources), alone, atol=1e-3, rtol=0)


def test_spectral_convergence_and_log_magnitudes():
    estimates, sources = waveforms(1)
    expected = []
    for length in (64, 32):
        e, s = (
            torch.stft(
                x[:, 0, :, 0],
                length,
                length // 4,
                window=torch.hann_window(length),
                return_complex=True,
            ).abs()
            for x in (estimates, sources)
        )
        for item in range(2):
            logs = (e[item].log() - s[item].log()).abs().mean()
            expected.append((s[item] - e[item]).norm() / s[item].norm() + logs)
    found = MultiResolutionSTFTLoss((64, 32))(estimates, sources)
    torch.testing.assert_close(found, torch.stack(expected).mean(), atol=1e-4, rtol=1e-4)


def test_the_loss_of_bs_roformer():
    bs_roformer = pytest.importorskip(
        "bs_roformer", reason="needs pip install --no-deps -r requirements-peers.txt"
    )
    torch.manual_seed(0)
    network = bs_roformer.BSRoformer(
        dim=8, depth=1, stereo=True, num_stems=2, heads=1, dim_head=8, freqs_per_bands=(525, 500)
    ).eval()
    mix, targets = torch.randn(1, 2, 8820), torch.randn(1, 2, 2, 8820)
    with torch.no_grad():
        estimates = network(mix)
        expected = network(mix, target=targets)
    last = estimates.shape[-1]
    found = TimeFrequencyL1Loss()(estimates.movedim(1, -1), targets[..., :last].movedim(1, -1))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_the_time_frequency_loss_is_a_sum_of_absolute_errors():
    estimates, sources = waveforms(1)
    one, other = (x[:, 0, :, 0] for x in (estimates, sources))
    expected = (one - other).abs().mean()
    for length in (64, 16):
        window = torch.hann_window(length)
        spectrum = torch.stft(one - other, max(length, 32), 9, length, window, return_complex=True)
        expected = expected + 0.5 * spectrum.abs().mean()
    found = TimeFrequencyL1Loss((64, 16), 9, 32, weight=0.5)(estimates, sources)
    torch.testing.assert_close(found, expected)


def test_excerpts_too_short_for_a_window_are_told():
    with pytest.raises(
        ConfigError, match="can't take spectra of 2048 samples of excerpts of 300: t"
    ):
        MultiResolutionSTFTLoss()(*waveforms(1))
    with pytest.raises(ConfigError, match=r"window_lengths = \(\) must list lengths of at least 2"):
        TimeFrequencyL1Loss(())


# inside of others ------------------------------------------------------------------


def test_utterances_below_the_threshold_are_left_out():
    """The lines of SepFormer's recipe: `loss = loss[loss > threshold].mean()`."""
    estimates, sources = waveforms(2, noise=1e-3)
    estimates[1] += 0.1 * torch.randn(estimates[1].shape)
    losses = best_losses(pairwise_losses(SISDRLoss(), estimates, sources))
    assert losses[0] < -30 < losses[1]
    found = PermutationInvariantLoss(SISDRLoss(), threshold=-30)(estimates, sources)
    torch.testing.assert_close(found, losses[losses > -30].mean())


def test_where_all_are_below_the_threshold_nothing_is_learnt():
    estimates, sources = waveforms(2, noise=1e-3)
    estimates.requires_grad_()
    found = PermutationInvariantLoss(SISDRLoss(), threshold=-30)(estimates, sources)
    assert found.item() == -30
    assert not torch.autograd.grad(found, estimates)[0].any()
    assert mean_above(torch.tensor([-40.0, float("nan")]), -30.0).isnan()


def test_a_loss_of_reordered_estimates():
    estimates, sources = waveforms(4, noise=0.3)
    dictionary = {
        "STFT": {
            "class": "ReorderedLoss",
            "args": [
                {"class": "SISDRLoss", "kwargs": {"zero_mean": False}},
                {"class": "MultiResolutionSTFTLoss", "args": [[64]]},
            ],
        }
    }
    found = Losses(dictionary)({"audio": estimates}, {"source_audio": sources})["STFT"]
    expected = MultiResolutionSTFTLoss([64])(estimates.flip(-1), sources)
    torch.testing.assert_close(found, expected)


def test_the_soft_assignment_hardens_with_beta():
    estimates, sources = waveforms(4)
    hard = PermutationInvariantLoss(SISDRLoss())(estimates, sources)
    errors = [
        (SinkPITLoss(SISDRLoss(), beta)(estimates, sources) - hard).abs().item()
        for beta in (0.1, 1.0, 10.0)
    ]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 0.1


def test_three_mixtures_by_brute_force():
    estimates, _ = waveforms(4)
    mixtures = torch.randn(2, 3, 1, 300)
    tried = []
    for owners in itertools.product(range(3), repeat=4):
        shares = torch.nn.functional.one_hot(torch.tensor(owners), 3).float()
        losses = [
            SNRLoss()(estimates[item : item + 1] @ shares, mixtures[item : item + 1].movedim(1, -1))
            for item in range(2)
        ]
        tried.append(torch.stack(losses))
    expected = torch.stack(tried).amin(0).mean()
    torch.testing.assert_close(MixITLoss(SNRLoss())(estimates, mixtures), expected)


def test_the_fit_of_mixit_is_that_of_least_squares():
    estimates, _ = waveforms(5)
    mixtures = torch.randn(2, 2, 1, 300)
    owners = MixITLoss(L1Loss(), "least_squares").owners(estimates, mixtures.movedim(1, -1))
    for item in range(2):
        weights = np.linalg.lstsq(estimates[item, 0].numpy(), mixtures[item, :, 0].numpy().T)[0]
        assert owners[item].tolist() == weights.argmax(axis=1).tolist()


def test_the_fit_of_mixit_also_takes_estimates_that_are_silent_or_alike():
    estimates = torch.zeros(2, 1, 300, 3)
    estimates[0, ..., :2] = 1.0
    assert MixITLoss(SNRLoss(), "least_squares")(estimates, torch.randn(2, 2, 1, 300)).isfinite()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"args": []}, r"\['MixITLoss'\] needs the loss inside it, such as 'args': \['L1Loss'\]"),
        ({"args": ["L1Loss"]}, "MixITLoss can't try all sums with L1Loss: set its 'kwargs'"),
        ({"args": ["SNRLoss", "all"]}, "search = 'all' must be one of exhaustive, least_squares"),
    ],
)
def test_mistakes_of_mixit_are_told(settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        Losses({"MixITLoss": settings})


def test_too_many_estimates_to_try_are_told():
    with pytest.raises(
        ConfigError, match="would try 131072 ways to share out 17 estimates: set its"
    ):
        MixITLoss(SNRLoss())(torch.randn(1, 1, 50, 17), torch.randn(1, 2, 1, 50))


def test_a_reordered_loss_needs_two():
    with pytest.raises(
        ConfigError, match=r"the two losses inside it, such as 'args': \['L1Loss', 'M"
    ):
        Losses({"ReorderedLoss": {"args": ["L1Loss"]}})


@pytest.mark.parametrize(
    ("name", "settings", "package"),
    [
        ("STOILoss", {"kwargs": {"sample_rate": 8000}}, "torch_stoi"),
        ("PMSQELoss", {"kwargs": {"sample_rate": 8000}}, "asteroid"),
    ],
)
def test_a_missing_package_is_named(monkeypatch, name, settings, package):
    for module in [one for one in sys.modules if one.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        ConfigError, match=f"{name} needs {package}, which is not installed: pip inst"
    ):
        Losses({name: settings})


def test_pmsqe_has_two_sample_rates():
    with pytest.raises(ConfigError, match="PMSQELoss.sample_rate = 44100 must be 8000 or 16000 Hz"):
        Losses({"PMSQELoss": {"args": [44100]}})
