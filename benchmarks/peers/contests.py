"""Which sides do what, and how long each turn is."""

from typing import NamedTuple

from benchmarks.peers.turns import Side

SPECTRAL_FRAMES = 200


class Bar(NamedTuple):
    """What a RATIO line says.

    Attributes:
        name: of the line.
        above, below: names of sides; the ratio is of their least seconds.
        bar: in words.
    """

    name: str
    above: str
    below: str
    bar: str


class Contest(NamedTuple):
    """Sides that do the same work, in turns.

    Attributes:
        title: of its rows in the table.
        sides: the project's own first.
        bars: its RATIO lines.
        pieces: of work a turn.
        turns: how many, unless the command line says otherwise.
    """

    title: str
    sides: list[Side]
    bars: list[Bar]
    pieces: int
    turns: int = 7


def end_to_end(num_layers: int, hidden_size: int, plain_bar: str) -> Contest:
    size = f"{num_layers}×{hidden_size}"
    network = {"num_layers": num_layers, "hidden_size": hidden_size}
    bars = [
        Bar(f"asteroid_{num_layers}x{hidden_size}", "audition", "asteroid", "at most 1.05"),
        Bar(f"speechbrain_{num_layers}x{hidden_size}", "audition", "speechbrain", "at most 1.05"),
        Bar(f"plain_torch_{num_layers}x{hidden_size}", "audition", "plain torch", plain_bar),
    ]
    return Contest(
        f"end-to-end BLSTM {size}, an iteration of 8 × 3.2 s at 8 kHz",
        [
            Side("audition", "audition", "audition_side.end_to_end", network),
            Side(
                "audition, no cache",
                "audition",
                "audition_side.end_to_end",
                {**network, "cached": False},
            ),
            Side("asteroid", "asteroid", "asteroid_side.end_to_end", network),
            Side("speechbrain", "speechbrain", "speechbrain_side.end_to_end", network),
            Side("nussl", "audition", "nussl_side.end_to_end", network),
            Side("plain torch", "audition", "torch_side.end_to_end", network),
        ],
        bars,
        pieces=5,
    )


def spectral(num_layers: int, hidden_size: int, bar: str) -> Contest:
    network = {"num_layers": num_layers, "hidden_size": hidden_size, "num_frames": SPECTRAL_FRAMES}
    return Contest(
        f"spectral BLSTM {num_layers}×{hidden_size}, an iteration of 8 × {SPECTRAL_FRAMES} frames",
        [
            Side("audition", "audition", "audition_side.spectral", network),
            Side("plain torch", "audition", "torch_side.spectral", network),
        ],
        [Bar(f"spectral_{num_layers}x{hidden_size}", "audition", "plain torch", bar)],
        pieces=10,
    )


def scale_scores(seconds: float, rate: int, name: str) -> Contest:
    track = {"seconds": seconds, "rate": rate}
    return Contest(
        f"SI-SDR and its family, two sources of {seconds} s at {rate} Hz",
        [
            Side(
                "audition",
                "audition",
                "scores_side.audition_scale",
                {**track, "compute_sir_sar": True},
            ),
            Side(
                "audition, no SIR, SAR",
                "audition",
                "scores_side.audition_scale",
                {**track, "compute_sir_sar": False},
            ),
            Side("fast_bss_eval", "fast_bss_eval", "scores_side.fast_bss_eval", track),
            Side("nussl", "audition", "nussl_side.scale_scores", track),
        ],
        [Bar(name, "fast_bss_eval", "audition", "at least 0.8")],
        pieces=5,
    )


CONTESTS = {
    "end_to_end_small": end_to_end(1, 8, "none"),
    "end_to_end": end_to_end(2, 100, "at most 1.2"),
    "data": Contest(
        "data of it, a batch",
        [
            Side("audition", "audition", "audition_side.data", {"cached": True}),
            Side("audition, no cache", "audition", "audition_side.data", {"cached": False}),
            Side("asteroid", "asteroid", "asteroid_side.data"),
            Side("speechbrain", "speechbrain", "speechbrain_side.data"),
            Side("nussl", "audition", "nussl_side.data"),
        ],
        [
            Bar("data_cached", "asteroid", "audition", "at least 5"),
            Bar("data_uncached", "asteroid", "audition, no cache", "at least 1.0"),
        ],
        pieces=40,
    ),
    "spectral_small": spectral(1, 8, "none"),
    "spectral": spectral(2, 100, "at most 1.1"),
    "music": Contest(
        "Open-Unmix, one target, an iteration of 4 × 6 s at 44.1 kHz stereo",
        [
            Side("audition", "audition", "audition_side.music"),
            Side("open-unmix", "openunmix", "openunmix_side.music"),
        ],
        [Bar("open_unmix", "audition", "open-unmix", "at most 1.05")],
        pieces=2,
        turns=5,
    ),
    "music_data": Contest(
        "data of it, a batch",
        [
            Side("audition", "audition", "audition_side.song_data"),
            Side("open-unmix", "openunmix", "openunmix_side.song_data"),
        ],
        [Bar("open_unmix_data", "open-unmix", "audition", "at least 5")],
        pieces=5,
        turns=5,
    ),
    "scores_speech": scale_scores(4.5, 8000, "si_sdr_speech"),
    "scores_music": scale_scores(30.0, 44100, "si_sdr_music"),
    "v4": Contest(
        "BSSEval v4, four stereo sources of 30 s at 44.1 kHz",
        [
            Side("audition", "audition", "scores_side.audition_v4", {"seconds": 30.0}),
            Side("museval", "museval", "scores_side.museval", {"seconds": 30.0}),
        ],
        [Bar("bss_eval_v4", "museval", "audition", "at least 10")],
        pieces=1,
        turns=3,
    ),
}
