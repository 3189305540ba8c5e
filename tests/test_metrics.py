"""Metrics against nussl's own evaluators, and the report card."""

import logging
import pickle

import numpy as np
import nussl
import pandas as pd
import pytest
from nussl.datasets.transforms import compute_ideal_binary_mask

from audition.audio import large
from audition.errors import ConfigError
from audition.metrics import BSSEvalScale, BSSEvalV4, PrecisionRecallFScore
from audition.metrics.scores import FLOOR_DB, Metric
from audition.reports.report_card import report_card
from tests.support.voices import SAMPLE_RATE, signal, two_voices, voice

METRICS = [BSSEvalScale(), BSSEvalV4(), PrecisionRecallFScore()]


def three_sources(seconds=2.0, num_channels=1):
    """`(mix, references, estimates)`: each estimate leaks, is scaled, and has noise of its own."""
    random = np.random.RandomState(0)
    audio = [voice(seconds, hz, hz, num_channels=num_channels) for hz in (95, 150, 240)]
    leaks = np.array([[0.9, 0.1, 0.05], [0.2, 1.1, 0.0], [0.02, 0.1, 0.7]])
    estimates = [sum(gain * one for gain, one in zip(row, audio, strict=True)) for row in leaks]
    noisy = [one + 0.003 * random.randn(*one.shape).astype(np.float32) for one in estimates]
    references = {f"s{number}": signal(one) for number, one in enumerate(audio, start=1)}
    return signal(sum(audio)), references, [signal(one) for one in noisy]


def nussl_scores(evaluator, references, estimates, **settings):
    labels = list(references)
    scores = evaluator(list(references.values()), estimates, source_labels=labels, **settings)
    results = scores.evaluate()
    return {name: results[name] for name in labels}


def assert_same_scores(ours, theirs, atol=1e-6):
    assert list(ours) == list(theirs)
    for name in ours:
        assert set(ours[name]) == set(theirs[name])
        for column, values in ours[name].items():
            np.testing.assert_allclose(values, theirs[name][column], atol=atol, err_msg=column)


@pytest.mark.parametrize("num_channels", [1, 2])
def test_bss_eval_scale_equals_nussl(num_channels):
    mix, references, estimates = three_sources(num_channels=num_channels)
    ours = BSSEvalScale(mixture="sum_of_sources")(references, estimates, mix)
    theirs = nussl_scores(nussl.evaluation.BSSEvalScale, references, estimates)
    assert_same_scores(ours, theirs)
    assert all(len(values) == num_channels for values in ours["s1"].values())


def test_bss_eval_scale_of_a_clean_mixture_needs_no_choice():
    mix, references, estimates = three_sources()
    assert_same_scores(
        BSSEvalScale()(references, estimates, mix),
        BSSEvalScale(mixture="sum_of_sources")(references, estimates, mix),
        atol=1e-4,
    )


def test_improvement_counts_noise_that_was_removed():
    mix, references, estimates = three_sources()
    noise = 0.2 * np.random.RandomState(1).randn(*mix.audio_data.shape)
    noisy = signal((mix.audio_data + noise).astype(np.float32))
    over_mix = BSSEvalScale()(references, estimates, noisy)["s1"]
    over_sum = BSSEvalScale(mixture="sum_of_sources")(references, estimates, noisy)["s1"]
    assert over_mix["SI-SDRi"][0] > over_sum["SI-SDRi"][0] + 1
    assert over_mix["SI-SDR"] == over_sum["SI-SDR"]


@pytest.mark.parametrize("extra", [0, 1])
def test_best_permutation_equals_nussl(extra):
    mix, references, estimates = three_sources()
    shuffled = [estimates[2], *[signal(voice(2.0, 400, 9))] * extra, estimates[0], estimates[1]]
    ours = BSSEvalScale(compute_permutation=True, mixture="sum_of_sources")(
        references, shuffled, mix
    )
    theirs = nussl_scores(
        nussl.evaluation.BSSEvalScale, references, shuffled, compute_permutation=True
    )
    assert_same_scores(ours, theirs)


def test_leaving_sir_and_sar_out():
    mix, references, estimates = three_sources()
    scores = BSSEvalScale(compute_sir_sar=False)(references, estimates, mix)["s2"]
    assert np.isnan(scores["SI-SIR"]).all() and np.isfinite(scores["SI-SDR"]).all()


def test_silent_source_is_nan_and_harms_no_other():
    mix, references, estimates = three_sources()
    references["s3"] = signal(np.zeros_like(mix.audio_data))
    mix = signal(sum(references[name].audio_data for name in ("s1", "s2")))
    scores = BSSEvalScale()(references, estimates, mix)
    assert all(np.isnan(values).all() for values in scores["s3"].values())
    audible = {name: references[name] for name in ("s1", "s2")}
    assert_same_scores(
        {name: scores[name] for name in audible}, BSSEvalScale()(audible, estimates[:2], mix)
    )
    v4 = BSSEvalV4()(references, estimates, mix)
    assert np.isnan(v4["s3"]["SDR"]).all() and np.isfinite(v4["s1"]["SDR"]).all()


def test_silent_channel_is_nan_alone():
    mix, references, estimates = three_sources(num_channels=2)
    references["s1"].audio_data[1] = 0
    scores = BSSEvalScale()(references, estimates, mix)["s1"]["SI-SDR"]
    assert np.isfinite(scores[0]) and np.isnan(scores[1])


def test_a_perfect_estimate_is_infinitely_good():
    mix, references, _ = three_sources()
    perfect = BSSEvalScale()(references, list(references.values()), mix)["s1"]
    assert perfect["SNR"] == [np.inf] and perfect["SI-SDR"][0] > 100


def constant(mix, value):
    return signal(np.full_like(mix.audio_data, value))


@pytest.mark.parametrize("value", [0.0, 0.3, 1e-12])
@pytest.mark.parametrize("num_channels", [1, 2])
def test_a_silent_or_constant_estimate_is_the_worst_in_every_metric(value, num_channels):
    mix, references, estimates = three_sources(num_channels=num_channels)
    estimates[1] = constant(mix, value)
    scale, v4, masks = (metric(references, estimates, mix)["s2"] for metric in METRICS)
    for key in ("SI-SDR", "SI-SIR", "SI-SAR", "SD-SDR", "SNR", "SRR"):
        assert scale[key] == [FLOOR_DB] * num_channels, key
    for key in ("SI-SDR", "SD-SDR", "SNR"):
        gained = np.array(scale[f"{key}i"]) + scale[f"MIX-{key}"]
        np.testing.assert_allclose(gained, FLOOR_DB)
    assert all(set(values) == {FLOOR_DB} and len(values) == 2 for values in v4.values())
    assert all(values == [0.0] * num_channels for values in masks.values())


def test_a_silent_estimate_harms_no_other():
    mix, references, estimates = three_sources()
    quiet = [estimates[0], constant(mix, 0), estimates[2]]
    for metric in (BSSEvalScale(), BSSEvalV4()):
        before, after = metric(references, estimates, mix), metric(references, quiet, mix)
        assert_same_scores(
            {n: after[n] for n in ("s1", "s3")}, {n: before[n] for n in ("s1", "s3")}
        )


def test_a_silent_window_of_an_estimate_is_the_worst_and_harms_no_other():
    mix, references, estimates = three_sources(3.0)
    before = BSSEvalV4()(references, estimates, mix)
    estimates[1].audio_data[:, :8000] = 0
    after = BSSEvalV4()(references, estimates, mix)
    assert_same_scores({n: after[n] for n in ("s1", "s3")}, {n: before[n] for n in ("s1", "s3")})
    assert after["s2"]["SDR"][0] == FLOOR_DB < min(after["s2"]["SDR"][1:])
    references["s2"].audio_data[:, :8000] = 0  # museval: a silent source leaves the window out
    scores = BSSEvalV4()(references, estimates, mix)
    assert all(np.isnan(scores[name]["SDR"][0]) for name in references)
    assert all(np.isfinite(scores[name]["SDR"][1:]).all() for name in references)


def test_a_silent_channel_of_an_estimate_is_the_worst_alone():
    mix, references, estimates = three_sources(num_channels=2)
    estimates[0].audio_data[1] = 0.25
    for key in ("SI-SDR", "SNR"):
        left, right = BSSEvalScale()(references, estimates, mix)["s1"][key]
        assert left > 0 and right == FLOOR_DB


def test_what_is_no_estimate_at_all_is_at_the_floor_and_not_below():
    """Orthogonal to its source, exactly: SI-SDR would be -inf."""
    time = np.arange(8000) / 8000
    source, other = (np.sin(2 * np.pi * hz * time)[None] for hz in (100, 200))
    references = {"s1": signal(np.where(time < 0.5, source, 0)), "s2": signal(other * (time < 0.5))}
    estimate = signal(np.where(time < 0.5, 0, other))
    scores = BSSEvalScale()(references, [estimate, estimate], signal(source + other))["s1"]
    assert scores["SI-SDR"] == scores["SD-SDR"] == [FLOOR_DB]


@pytest.mark.parametrize(("rms", "is_heard"), [(1e-9, True), (1e-11, False)])
def test_what_counts_as_silence(rms, is_heard):
    """-180 dB is a signal, -220 dB the rounding of a constant: for sources and estimates alike."""
    mix, references, estimates = three_sources()
    faint = rms / references["s1"].audio_data.std()
    references["s1"].audio_data = references["s1"].audio_data * faint
    estimates[1].audio_data = estimates[1].audio_data * faint
    scores = BSSEvalScale()(references, estimates, mix)
    assert np.isfinite(scores["s1"]["SI-SDR"][0]) == is_heard
    assert (scores["s2"]["SI-SDR"][0] > 0) == is_heard


def test_a_silent_estimate_is_no_better_match_than_a_bad_one():
    """Chosen by the truth, silence counted as 0 dB, more than a bad estimate."""
    mix, references, estimates = three_sources()
    noise = signal(0.1 * np.random.RandomState(2).randn(*mix.audio_data.shape))
    shuffled = [constant(mix, 0), estimates[0], noise, estimates[1]]
    scores = BSSEvalScale(compute_permutation=True)(references, shuffled, mix)
    assert FLOOR_DB < scores["s3"]["SI-SDR"][0] < 0


class Loudness(Metric):
    def score(self, references, estimates, mix):
        return {name: {"loudness": [np.nan]} for name in references}


def test_a_metric_of_ones_own_says_what_silence_is_worth():
    mix, references, estimates = three_sources()
    estimates[1] = constant(mix, 0)
    with pytest.raises(ConfigError, match="Loudness doesn't say what a silent estimate scores"):
        Loudness()(references, estimates, mix)
    metric = Loudness()
    metric.worst = -7.0
    assert metric(references, estimates, mix)["s2"] == {"loudness": [-7.0]}
    references["s2"] = constant(mix, 0)
    assert np.isnan(metric(references, estimates, mix)["s2"]["loudness"]).all()


def test_masks_of_a_silent_source_are_not_scored():
    mix, references, estimates = three_sources()
    references["s2"] = constant(mix, 0)
    scores = PrecisionRecallFScore()(references, estimates, mix)
    assert all(np.isnan(values).all() for values in scores["s2"].values())


def test_masks_of_a_track_shorter_than_a_window_name_the_binding():
    mix, references = two_voices(0.02)
    with pytest.raises(
        ConfigError, match="at least STFTParams.window_length = 256 samples, and .* 160"
    ):
        PrecisionRecallFScore()(references, list(references.values()), mix)


def test_bss_eval_v4_equals_nussl_with_windows_in_seconds():
    mix, references, estimates = three_sources()
    ours = BSSEvalV4(window_seconds=0.5, hop_seconds=0.25)(references, estimates, mix)
    theirs = nussl_scores(nussl.evaluation.BSSEvalV4, references, estimates, window=4000, hop=2000)
    assert_same_scores(ours, theirs)
    assert len(ours["s1"]["SDR"]) == 7
    assert len(BSSEvalV4()(references, estimates, mix)["s1"]["SDR"]) == 2


def binary_masks(signals, mix):
    """Bool array `(frequency, time, channel, source)`, from nussl's STFT of the whole track."""
    magnitudes = [np.abs(one.stft(*mix.stft_params, overwrite=False)) for one in signals]
    return compute_ideal_binary_mask(np.stack(magnitudes, axis=-1)).astype(bool)


@pytest.mark.parametrize("block_samples", [large.BLOCK_SAMPLES, 1000, 1])
def test_precision_recall_equals_nussl(block_samples, monkeypatch):
    monkeypatch.setattr(large, "BLOCK_SAMPLES", block_samples)
    mix, references, estimates = three_sources()
    ours = PrecisionRecallFScore()(references, estimates, mix)
    truth, guess = (binary_masks(s, mix) for s in (list(references.values()), estimates))
    as_masks = [[nussl.core.masks.BinaryMask(m[..., i]) for i in range(3)] for m in (truth, guess)]
    evaluator = nussl.evaluation.PrecisionRecallFScore(*as_masks, source_labels=list(references))
    results = evaluator.evaluate()
    assert_same_scores(ours, {name: results[name] for name in references})
    assert 0.6 < ours["s1"]["F1-Score"][0] < 1


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: type(metric).__name__)
def test_metrics_travel_and_check(metric):
    mix, references, estimates = three_sources()
    metric = pickle.loads(pickle.dumps(metric))
    with pytest.raises(ConfigError, match="compute_permutation = True"):
        metric(references, [*estimates, mix], mix)
    with pytest.raises(ConfigError, match=r"2 estimate\(s\) for the 3 sources"):
        metric(references, estimates[:2], mix)
    with pytest.raises(ConfigError, match="the same shape"):
        metric(references, [signal(np.tile(e.audio_data, (2, 1))) for e in estimates], mix)


def test_unknown_mixture():
    with pytest.raises(ConfigError, match="one of mix, sum_of_sources"):
        BSSEvalScale(mixture="sum")


# report card -----------------------------------------------------------------------------------


def small_table():
    return pd.DataFrame(
        {
            "track": ["a", "a", "b", "b"],
            "source": ["s1", "s2", "s1", "s2"],
            "SI-SDR": [7.036, 9.0, 7.05, np.nan],
            "SRR": [np.inf, 20.0, 21.0, 25.0],
        }
    )


def row(card, block, name):
    """Cells of a row of one of the card's tables."""
    lines = card[card.index(block) :].splitlines()
    line = next(line for line in lines if line.startswith(f"{name} "))
    return [cell.strip() for cell in line.split("|")][1:]


def test_card_rounds_counts_and_leaves_out():
    card = report_card(small_table(), notes="a note")
    assert card.startswith("2 tracks, 4 scored sources")
    assert row(card, "MEAN", "#") == ["4", "2", "2"]
    assert row(card, "MEAN", "SI-SDR") == ["7.70 ± 1.13", "7.04 ± 0.01", "9.00"]
    assert row(card, "MEDIAN", "SI-SDR") == ["7.05", "7.04", "9.00"]
    assert row(card, "MEDIAN", "SRR")[0] == "21.00"
    assert "SI-SDR: 1 not defined (NaN), 0 infinite" in card
    assert "SRR: 0 not defined (NaN), 1 infinite" in card
    assert "| a note" in card


def test_card_without_sources():
    assert row(report_card(small_table(), each_source=False), "MEAN", "#") == ["4"]


def test_card_of_many_sources_wraps():
    rows = [
        {"track": "a", "source": f"instrument{number}", "SI-SDR": -number * 1.005}
        for number in range(12)
    ]
    card = report_card(pd.DataFrame(rows), notes="word " * 60)
    assert max(len(line) for line in card.splitlines()) <= 100
    assert all(f"instrument{number}" in card for number in range(12))


def test_silence_is_no_warning_of_numpy(caplog, recwarn):
    mix, references, estimates = three_sources(0.5)
    references["s3"].audio_data = np.zeros_like(mix.audio_data)
    with caplog.at_level(logging.WARNING):
        BSSEvalScale()(references, estimates, mix)
    assert not recwarn.list


def test_two_voices_are_a_real_mixture():
    mix, references = two_voices()
    scores = BSSEvalScale()(references, [mix, mix], mix)
    assert mix.sample_rate == SAMPLE_RATE
    assert scores["s1"]["SI-SDRi"] == pytest.approx([0.0], abs=1e-9)
    assert -10 < scores["s1"]["SI-SDR"][0] < 10
