"""What the sides read: noise in the layouts of WHAM! and MUSDB18, as nothing here depends on the sound."""

from pathlib import Path

import numpy as np
import soundfile

SPEECH_RATE, MUSIC_RATE = 8000, 44100  # Hz
NUM_MIXTURES, MIXTURE_SECONDS = 400, 4.0
NUM_SONGS, SONG_SECONDS = 3, 30.0
EXCERPT_SECONDS = 3.2  # of speech
SONG_EXCERPT_SECONDS = 6.0
BATCH_SIZE, SONG_BATCH_SIZE = 8, 4
SPEAKERS = ("s1", "s2")
STEMS = ("bass", "drums", "other", "vocals")
WINDOW_LENGTH, HOP_LENGTH = 256, 64  # samples, of speech
NUM_FREQUENCIES = 129


def write_speech(root: Path) -> None:
    """`root/wav8k/min/tr/{s1,s2,mix_clean}/<number>.wav`."""
    random = np.random.default_rng(0)
    folder = root / "wav8k/min/tr"
    for name in (*SPEAKERS, "mix_clean"):
        (folder / name).mkdir(parents=True)
    for number in range(NUM_MIXTURES):
        voices = random.normal(0, 0.05, (2, round(MIXTURE_SECONDS * SPEECH_RATE)))
        parts = zip((*SPEAKERS, "mix_clean"), (*voices, voices.sum(0)), strict=True)
        for name, audio in parts:
            soundfile.write(folder / name / f"{number:03d}.wav", audio, SPEECH_RATE)


def speech_files(root: Path, name: str) -> list[Path]:
    return sorted((root / "wav8k/min/tr" / name).glob("*.wav"))


def write_songs(root: Path) -> None:
    """`root/train/<song>/{mixture,bass,drums,other,vocals}.wav`, and for nussl `root/by_stem/<stem>/`."""
    random = np.random.default_rng(0)
    for stem in (*STEMS, "mixture"):
        (root / "by_stem" / stem).mkdir(parents=True)
    for number in range(NUM_SONGS):
        folder = root / "train" / f"song{number}"
        folder.mkdir(parents=True)
        stems = random.normal(0, 0.03, (len(STEMS), round(SONG_SECONDS * MUSIC_RATE), 2))
        for name, audio in zip((*STEMS, "mixture"), (*stems, stems.sum(0)), strict=True):
            soundfile.write(folder / f"{name}.wav", audio, MUSIC_RATE)
            (root / "by_stem" / name / f"song{number}.wav").symlink_to(folder / f"{name}.wav")


def estimates(seconds: float, rate: int, num_channels: int, num_sources: int):
    """`(references, estimates)`, both `(source, sample, channel)`: coloured noise in bursts, and the
    same with errors of each other."""
    random = np.random.default_rng(0)
    shape = num_sources, round(seconds * rate), num_channels
    noise = np.cumsum(random.normal(size=shape), axis=1)  # most below, as in music
    noise = noise[:, 64:] - noise[:, :-64]
    noise /= np.abs(noise).max()
    mix = noise.sum(axis=0, keepdims=True)
    return noise, 0.8 * noise + 0.1 * mix + 0.01 * random.normal(size=noise.shape)
