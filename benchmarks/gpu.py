"""What a training does with a GPU: excerpts per second beside a bare loop, idle time, memory.

    python -m benchmarks.gpu [--device cuda] [NETWORK...]

Three networks: a spectral BLSTM, an end-to-end one, and BS-RoFormer, the largest there is, each as its
recipe trains it but on noise from a waveform cache. The bare loop has the same network, features and
losses in the same precision, on one batch that is on the card already. Sides alternate in one process.
It needs an NVIDIA GPU; `--device cpu` rehearses it with small batches, and measures nothing.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import nussl
import soundfile
import torch
from ignite.engine import Events
from nussl.ml.networks import builders

from audition.commands.train import train
from audition.datasets import build_dataset, waveform_cache
from audition.datasets.corpora import MixSourceFolder
from audition.device import choose_device
from audition.errors import ConfigError
from audition.features import SpectrogramFeatures, WaveformFeatures
from audition.handlers import add_autoclip_gradient_handler
from audition.models import BSRoFormer
from audition.models.waveform import config_of
from audition.runs.folder import Run
from audition.training.step import Forward

WARM_UP = 10  # iterations
NUM_ITERATIONS = 50
SPEECH = nussl.STFTParams(256, 64, "sqrt_hann")
HEAD = (
    "| network | excerpts/s | bare loop | ratio | device idle, % | bare, % | memory, GB |\n"
    "|---|---|---|---|---|---|---|"
)


class Case(NamedTuple):
    """A network and how it is trained.

    Attributes:
        settings: of `train`.
        seconds: length of an excerpt.
        rate, num_channels, num_sources: of the signals.
    """

    settings: Callable[[], dict]
    seconds: float
    rate: int = 8000
    num_channels: int = 1
    num_sources: int = 2


def blstm() -> dict:
    config = builders.build_recurrent_mask_inference(129, 600, 4, True, 0.3, 2, ["sigmoid"])
    return {
        "features": SpectrogramFeatures(SPEECH),
        "model_config": config,
        "loss_dictionary": {"PermutationInvariantLoss": {"args": ["L1Loss"]}},
        "batch_size": 25,
    }


def end_to_end() -> dict:
    config = builders.build_recurrent_end_to_end(
        256, 256, 64, "sqrt_hann", 600, 4, True, 0.3, 2, ["sigmoid"]
    )
    keys = {"audio": "estimates", "source_audio": "targets"}
    return {
        "features": WaveformFeatures(),
        "model_config": config,
        "loss_dictionary": {"PermutationInvariantLoss": {"args": ["SISDRLoss"], "keys": keys}},
        "batch_size": 25,
    }


def bs_roformer() -> dict:
    """musdb/exp/bs_roformer.gin."""
    network = BSRoFormer(
        num_sources=4,
        num_channels=2,
        num_features=384,
        num_repeats=8,
        num_time_layers=1,
        num_band_layers=1,
        mask_hidden_size=768,
        hop_length=441,
        dropout=0.1,
    )
    return {
        "features": WaveformFeatures(),
        "model_config": config_of(network),
        "loss_dictionary": {"TimeFrequencyL1Loss": {}},
        "batch_size": 4,
        "mixed_precision": "bfloat16",
    }


CASES = {
    "blstm": Case(blstm, 3.2),
    "end_to_end": Case(end_to_end, 3.2),
    "bs_roformer": Case(bs_roformer, 11.0, 44100, 2, 4),
}


class Alternating:
    """Handler: after warming up, so many iterations of ours, then as many bare ones, each profiled.

    Attributes:
        ours, bare: `(seconds an iteration, share of them that the device was idle)`.
        memory: most that was allocated by our iterations, in bytes.
    """

    def __init__(self, settings: dict, num_iterations: int):
        self.settings, self.num_iterations = settings, num_iterations

    def __call__(self, training) -> None:
        self.training = training
        on = training.trainer.add_event_handler
        on(Events.ITERATION_COMPLETED(once=WARM_UP), self.begin)
        on(Events.ITERATION_COMPLETED(once=WARM_UP + self.num_iterations), self.end)
        on(Events.ITERATION_COMPLETED(once=WARM_UP + 2 * self.num_iterations), self.end_profile)

    def begin(self, engine) -> None:
        synchronize(self.training.device)
        if self.training.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        self.began = time.perf_counter()

    def end(self, engine) -> None:
        """The bare loop comes between the part of ours that is timed and the one that is profiled."""
        synchronize(self.training.device)
        self.seconds = (time.perf_counter() - self.began) / self.num_iterations
        cuda = self.training.device.type == "cuda"
        self.memory = torch.cuda.max_memory_allocated() if cuda else 0
        self.bare = self.bare_loop(engine.state.batch)
        self.profile = profiler().__enter__()
        self.began = time.perf_counter()

    def end_profile(self, engine) -> None:
        synchronize(self.training.device)
        wall = time.perf_counter() - self.began
        self.profile.__exit__(None, None, None)
        self.ours = self.seconds, idle_share(self.profile, wall)

    def bare_loop(self, batch: dict) -> tuple[float, float]:
        training, device = self.training, self.training.device
        network = nussl.ml.SeparationModel(self.settings["model_config"]).to(device).train()
        optimizer = torch.optim.Adam(network.parameters(), fused=True)
        precision = self.settings.get("mixed_precision")
        forward = Forward(network, self.settings["features"], device, precision)
        waveforms = forward.on_device(batch)

        def iterations(count: int) -> float:
            synchronize(device)
            began = time.perf_counter()
            for _ in range(count):
                optimizer.zero_grad()
                training.losses(*forward(waveforms))["loss"].backward()
                optimizer.step()
            synchronize(device)
            return time.perf_counter() - began

        iterations(WARM_UP)
        seconds = iterations(self.num_iterations) / self.num_iterations
        with profiler() as profile:
            wall = iterations(self.num_iterations)
        return seconds, idle_share(profile, wall)


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def profiler() -> torch.profiler.profile:
    kinds = torch.profiler.ProfilerActivity
    cuda = torch.cuda.is_available()
    return torch.profiler.profile(activities=[kinds.CUDA if cuda else kinds.CPU])


def idle_share(profile: torch.profiler.profile, wall: float) -> float:
    """Share of `wall` seconds in which no kernel ran and nothing was copied, 0 to 1."""
    spans = [
        (event.time_range.start, event.time_range.end)
        for event in profile.events()
        if event.device_type == torch.autograd.DeviceType.CUDA
    ]
    return 1 - covered(spans) / 1e6 / wall


def covered(spans: list[tuple[float, float]]) -> float:
    """Length of the union of intervals; kernels of several streams overlap."""
    length, end = 0.0, float("-inf")
    for start, stop in sorted(spans):
        length += max(stop - max(start, end), 0)
        end = max(end, stop)
    return length


def write_noise(root: Path, case: Case) -> MixSourceFolder:
    names = [f"s{number}" for number in range(case.num_sources)]
    shape = round(2 * case.seconds * case.rate), case.num_channels
    for name in (*names, "mix"):
        (root / name).mkdir(parents=True)
    for number in range(50):
        sources = 0.05 * torch.randn(case.num_sources, *shape)
        for name, audio in zip((*names, "mix"), (*sources, sources.sum(0)), strict=True):
            soundfile.write(root / name / f"{number:02d}.wav", audio.numpy(), case.rate)
    return MixSourceFolder(str(root), "mix", names, sample_rate=case.rate, stft_params=SPEECH)


def row(name: str, root: Path, device: str, num_iterations: int, **smaller) -> str:
    """A row of the table."""
    case = CASES[name]
    settings = {**case.settings(), **smaller}
    data = build_dataset(write_noise(root / "noise", case), "train", (), root / "cache")
    waveform_cache.fill(data)
    probe = Alternating(settings, num_iterations)
    train(
        Run(root / "run"),
        train_data=data,
        val_data=None,
        optimizer=lambda parameters: torch.optim.Adam(parameters, fused=True),
        num_epochs=1,
        epoch_length=WARM_UP + 2 * num_iterations,
        excerpt_seconds=case.seconds,
        num_data_workers=4 if device == "cuda" else 0,
        handlers=[lambda training: add_autoclip_gradient_handler(training, 10), probe],
        device=device,
        matmul_precision="high",
        cudnn_benchmark=True,
        **settings,
    )
    (ours, idle), (bare, bare_idle) = probe.ours, probe.bare
    size = settings["batch_size"]
    return (
        f"| {name} | {size / ours:.1f} | {size / bare:.1f} | {bare / ours:.2f} | {100 * idle:.0f} | "
        f"{100 * bare_idle:.0f} | {probe.memory / 1e9:.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=", ".join(CASES))
    asked = parser.parse_args()
    try:
        choose_device(asked.device)
    except ConfigError as error:
        raise SystemExit(f"There is no NVIDIA GPU here, and nothing to measure: {error}") from error
    count, smaller = (NUM_ITERATIONS, {}) if asked.device != "cpu" else (1, {"batch_size": 1})
    if asked.device != "cpu":
        print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    print(HEAD)
    for name in asked.networks or CASES:
        with tempfile.TemporaryDirectory() as folder:
            print(row(name, Path(folder), asked.device, count, **smaller), flush=True)


if __name__ == "__main__":
    main()
