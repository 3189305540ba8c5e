"""Tracks of any length: scored from disk, block by block, in the memory that a short one takes."""

import mmap
import tracemalloc

import numpy as np
import nussl
import pytest

from audition.audio import large
from audition.audio.signals import signal_like
from audition.commands.evaluate import evaluate
from audition.datasets import build_dataset
from audition.datasets.corpora import MixSourceFolder
from audition.files import read_json
from audition.metrics import BSSEvalScale, BSSEvalV4, PrecisionRecallFScore, bss_eval
from audition.runs.folder import Run
from audition.separators import Separator, loop
from tests.support.corpora import noise, write

SAMPLE_RATE = 8000


class HalfOfTheMix(Separator):
    def finish(self, mix, device_output, sources=None):
        return [mix * 0.5, mix * 0.4]


@pytest.fixture
def on_disk(monkeypatch):
    """What is minutes long is large, so that the tests are quick."""
    monkeypatch.setattr(large, "LARGE_BYTES", 2**16)
    monkeypatch.setattr(large, "BLOCK_SAMPLES", 2**13)
    monkeypatch.setattr(loop, "LARGE_BYTES", 2**16)


def evaluated(folder, seconds, num_channels=1, metric=BSSEvalScale, **settings):
    """The result of one track."""
    size = (round(seconds * SAMPLE_RATE), num_channels)
    sources = {name: noise(k, *size) for k, name in enumerate(("s1", "s2"))}
    for name, audio in {**sources, "mix": sum(sources.values())}.items():
        write(folder / name / "a.wav", audio, SAMPLE_RATE)
    data = build_dataset(MixSourceFolder(str(folder), source_folders=["s1", "s2"]), "test")
    run = Run(folder)
    settings = {"piece_seconds": 1.0, "overlap_seconds": 0.1, **settings}
    metrics = [metric(compute_permutation=True)]
    tracemalloc.start()
    evaluate(run, test_data=data, separator=HalfOfTheMix(), metrics=metrics, **settings)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return read_json(run.results / "a.json"), peak


@pytest.mark.parametrize("metric", [BSSEvalScale, BSSEvalV4, PrecisionRecallFScore])
def test_memory_does_not_grow_with_the_track(tmp_path, on_disk, metric):
    evaluated(tmp_path / "warm", 2, metric=metric)
    _, short = evaluated(tmp_path / "short", 5, metric=metric)
    _, long = evaluated(tmp_path / "long", 35, metric=metric)
    assert long - short < 2**19


@pytest.mark.parametrize("num_channels, num_workers", [(1, 0), (2, 0), (2, 1)])
def test_tracks_on_disk_are_scored_as_those_in_memory(
    tmp_path, monkeypatch, num_channels, num_workers
):
    expected, _ = evaluated(tmp_path / "memory", 5.3, num_channels, save_audio=True)
    monkeypatch.setattr(large, "LARGE_BYTES", 2**12)
    monkeypatch.setattr(large, "BLOCK_SAMPLES", 1000)
    monkeypatch.setattr(loop, "LARGE_BYTES", 0)
    found, _ = evaluated(
        tmp_path / "disk", 5.3, num_channels, save_audio=True, num_workers=num_workers
    )
    assert found["metadata"]["audio"] == expected["metadata"]["audio"]
    for source in ("s1", "s2"):
        for name in ("SI-SDR", "SI-SIR", "SD-SDR", "SNR", "SRR", "SI-SDRi", "MIX-SI-SDR"):
            np.testing.assert_allclose(found[source][name], expected[source][name], atol=1e-6)
        saved = [tmp_path / where / f"audio/a/{source}.wav" for where in ("memory", "disk")]
        samples = [path.read_bytes()[-4 * SAMPLE_RATE :] for path in saved]
        assert samples[0] == samples[1]


def test_a_large_array_is_on_disk_and_lets_go_of_memory(on_disk):
    array = large.empty((2, 100_000))
    assert large.map_of(array[1, ::2]) is not None and large.map_of(np.empty(3)) is None
    array[:] = 1.5
    large.release(array.T)
    assert (array == 1.5).all()


def test_bss_eval_lets_go_of_each_block_that_it_has_read(on_disk):
    array = large.empty((1, 2**22))
    array[:] = 0.5
    large.release(array)
    read, before = bss_eval.reader([signal_like(nussl.AudioSignal(), array)]), pages_in_memory()
    for block in large.blocks(array.shape[-1]):
        assert (read(block.start, block.stop) == 0.5).all()
    assert pages_in_memory() - before < array.nbytes / 4 / mmap.PAGESIZE


def pages_in_memory():
    with open("/proc/self/statm") as table:
        return int(table.read().split()[1])


def test_a_disk_without_room_is_told_before_anything_is_written(on_disk):
    with pytest.raises(OSError):
        large.empty((2**60,), np.uint8)
