"""Small corpora of noise, in the layouts that nussl's datasets read."""

import shutil

import numpy as np
import soundfile

SAMPLE_RATE = 8000


def noise(seed, num_samples, num_channels=1):
    """`(sample, channel)`, soft enough that a sum of a few does not clip."""
    return np.random.default_rng(seed).uniform(-0.2, 0.2, (num_samples, num_channels))


def write(path, audio, sample_rate=SAMPLE_RATE, subtype="PCM_16"):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, sample_rate, subtype=subtype)


def write_wham(root, lengths=(8000, 12000, 9000, 10001), split="tr", subtype="PCM_16", seed=0):
    """`<root>/wav8k/min/<split>/{mix_clean,mix_both,mix_single,s1,s2,noise}/<i>.wav`."""
    folder = root / "wav8k" / "min" / split
    for i, length in enumerate(lengths):
        s1, s2, background = (noise((seed, i, k), length) for k in range(3))
        signals = {"s1": s1, "s2": s2, "noise": background}
        signals |= {"mix_clean": s1 + s2, "mix_both": s1 + s2 + background}
        signals |= {"mix_single": s1 + background}
        for name, audio in signals.items():
            write(folder / name / f"{i}.wav", audio, subtype=subtype)
    return root


def write_folders(root, names=("a", "b", "c"), stems=("bass", "drums"), num_channels=2):
    """`<root>/{mix,<stem>…}/<name>.wav` for MixSourceFolder."""
    for i, name in enumerate(names):
        audio = {stem: noise((i, k), 4000, num_channels) for k, stem in enumerate(stems)}
        for stem, samples in (audio | {"mix": sum(audio.values())}).items():
            write(root / stem / f"{name}.wav", samples)
    return root


def write_musdb(root, tracks=("Ann - One", "Ben - Two")):
    """`<root>/{train,test}/<track>/{mixture,bass,…}.wav`, stereo."""
    for i, name in enumerate(tracks):
        for subset in ("train", "test"):
            stems = {
                stem: noise((i, k), 4410, 2)
                for k, stem in enumerate(("bass", "drums", "other", "vocals"))
            }
            for stem, audio in (stems | {"mixture": sum(stems.values())}).items():
                write(root / subset / name / f"{stem}.wav", audio, 44100)
    return root


def write_sessions(folder, wham):
    """`<folder>/{train,val,test}/day<i % 2>/<name>/{anna,ben}.wav`, copies of WHAM's voices."""
    for split, name in (("tr", "train"), ("cv", "val"), ("tt", "test")):
        for voice, speaker in (("s1", "anna"), ("s2", "ben")):
            paths = sorted((wham / "wav8k" / "min" / split / voice).iterdir())
            for i, path in enumerate(paths):
                session = folder / name / f"day{i % 2}" / path.stem
                session.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, session / f"{speaker}.wav")
    return folder


class NoiseMix:
    """A mix closure for OnTheFly."""

    def __init__(self, seed=0, num_samples=4000):
        self.seed = seed
        self.num_samples = num_samples

    def __call__(self, dataset, i):
        sources = {
            name: dataset._load_audio_from_array(
                noise((self.seed, i, k), self.num_samples).T, SAMPLE_RATE
            )
            for k, name in enumerate(("zither", "alto"))
        }
        return {"mix": sum(sources.values()), "sources": sources, "metadata": {"number": i}}
