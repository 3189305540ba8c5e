"""What one second of audio costs each network at its defaults: a table for docs/networks.md.

    python -m benchmarks.network_costs [NETWORK...]

Each in a process of its own, one thread, on the CPU: a training step of Adam with one mixture of a
second. Multiply-accumulates are those of the forward pass, counted by torch. Takes a few minutes.
"""

import multiprocessing
import resource
import sys
import time
import warnings
from typing import NamedTuple

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from audition import models

HEAD = (
    "| network | Hz, channels | parameters, M | GMAC a second | CPU s a step | memory, GB | GPU |\n"
    "|---|---|---|---|---|---|---|"
)


class Network(NamedTuple):
    sample_rate: int = 8000
    num_channels: int = 1
    num_sources: int = 2


NETWORKS = {
    "ConvTasNet": Network(),
    "DPRNNTasNet": Network(),
    "DPTNet": Network(),
    "SepFormer": Network(),
    "LSTMTasNet": Network(),
    "SuDoRMRF": Network(),
    "TFGridNet": Network(),
    "DCUNet": Network(16000),
    "DCCRN": Network(16000),
    "OpenUnmix": Network(44100, 2, 4),
    "XUMX": Network(44100, 2, 4),
    "BSRNN": Network(44100, 2, 4),
    "BSRoFormer": Network(44100, 2, 4),
    "MelBandRoFormer": Network(44100, 2, 4),
}


def cost(name: str) -> str:
    """A row of the table."""
    torch.set_num_threads(1)
    kind = NETWORKS[name]
    network = getattr(models, name)(num_sources=kind.num_sources)
    mix = torch.randn(1, kind.num_channels, kind.sample_rate)
    before = peak()
    seconds = min(step(network, mix) for _ in range(2))
    memory = peak() - before
    macs = multiply_accumulates(network, mix)
    count = sum(parameter.numel() for parameter in network.parameters())
    return (
        f"| {name} | {kind.sample_rate}, {kind.num_channels} | {count / 1e6:.2f} | "
        f"{macs / 1e9:.1f} | {seconds:.2f} | {memory / 1e9:.2f} | not measured |"
    )


def multiply_accumulates(network: torch.nn.Module, mix: torch.Tensor) -> float:
    """Of the forward pass; oneDNN's LSTM and fused attention are calls that nobody can look into."""
    counter = FlopCounterMode(display=False)
    warnings.filterwarnings("ignore", "TF32 acceleration")
    plain = torch.backends.mkldnn.flags(enabled=False), sdpa_kernel(SDPBackend.MATH)
    with counter, torch.no_grad(), plain[0], plain[1]:
        network(mix)
    return counter.get_total_flops() / 2


def step(network: torch.nn.Module, mix: torch.Tensor) -> float:
    """Seconds of processor time of a training step."""
    optimizer = torch.optim.Adam(network.parameters())
    started = time.process_time()
    network(mix).square().mean().backward()
    optimizer.step()
    return time.process_time() - started


def peak() -> int:
    """The most memory that this process has had, in bytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(names: list[str]) -> None:
    print(HEAD)
    context = multiprocessing.get_context("spawn")
    for name in names or NETWORKS:
        with context.Pool(1) as pool:
            print(pool.apply(cost, (name,)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
