"""Every dataset of nussl as a Split, its filters, and the sentence for each kind of bad data."""

import json
import os
import pickle
import shutil

import numpy as np
import nussl
import pytest
import soundfile

from audition.audio.files import read
from audition.datasets import build_dataset, corpora
from audition.datasets.corpora import FUSS, MUSDB18, WHAM, MixSourceFolder, OnTheFly, Scaper
from audition.datasets.filters import LongerThan, NamedLike, NotSilent, ShorterThan
from audition.datasets.identity import file_states
from audition.datasets.transforms import KeepSources
from audition.errors import ConfigError
from tests.support.corpora import (
    SAMPLE_RATE,
    NoiseMix,
    noise,
    write,
    write_folders,
    write_musdb,
    write_wham,
)


def audio_of(item):
    return {"mix": item["mix"].audio_data} | {k: s.audio_data for k, s in item["sources"].items()}


def assert_same_audio(ours, theirs):
    ours, theirs = audio_of(ours), audio_of(theirs)
    assert list(ours) == ["mix", *sorted(set(theirs) - {"mix"})]
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name])


@pytest.mark.parametrize("mix_folder", ["mix_clean", "mix_both", "mix_single"])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_wham_reads_the_numbers_that_nussl_reads(tmp_path, mix_folder, subtype):
    write_wham(tmp_path, subtype=subtype)
    corpus = build_dataset(WHAM(str(tmp_path), mix_folder), "train")
    theirs = nussl.datasets.WHAM(str(tmp_path), mix_folder)
    assert corpus.names == ["0", "1", "2", "3"]
    assert corpus.source_names == sorted(theirs.source_folders)
    assert corpus.sample_rate == SAMPLE_RATE and corpus.num_channels == 1
    for i in range(len(corpus)):
        assert_same_audio(corpus[i], theirs[i])
        assert corpus[i]["mix"].audio_data.dtype == np.float32
        assert corpus[i]["mix"].stft_params == theirs[i]["mix"].stft_params
        assert corpus[i]["mix"].path_to_input_file == theirs[i]["mix"].path_to_input_file


def test_signals_share_nothing(tmp_path):
    corpus = build_dataset(WHAM(str(write_wham(tmp_path))), "train")
    first, second = corpus[0]["mix"], corpus[1]["mix"]
    first.stft()
    first.low_pass(1000)
    assert second.stft_data is None and second.effects_chain == []


def test_mix_source_folder_and_its_transforms(tmp_path):
    write_folders(tmp_path, stems=("bass", "drums", "vocals"))
    group = nussl.datasets.transforms.SumSources([["bass", "drums"]], ["accompaniment"])
    corpus = build_dataset(MixSourceFolder(str(tmp_path), transform=group), "train")
    assert corpus.source_names == ["accompaniment", "vocals"]
    assert corpus[2]["sources"]["accompaniment"].num_channels == 2
    assert corpus.dataset.source_folders == ["bass", "drums", "vocals"]
    alone = build_dataset(
        MixSourceFolder(str(tmp_path), transform=KeepSources(["vocals"])), "train"
    )
    assert list(alone[0]["sources"]) == ["vocals"]


def test_one_channel_is_the_mean_of_the_channels(tmp_path):
    write_folders(tmp_path)
    stereo = build_dataset(MixSourceFolder(str(tmp_path)), "train")
    mono = build_dataset(MixSourceFolder(str(tmp_path), num_channels=1), "train")
    expected = stereo[0]["mix"].audio_data.mean(axis=0, keepdims=True)
    np.testing.assert_allclose(mono[0]["mix"].audio_data, expected, atol=1e-7)
    assert mono.num_channels == 1


def test_musdb_as_wav(tmp_path):
    write_musdb(tmp_path)
    corpus = build_dataset(MUSDB18(str(tmp_path), is_wav=True, subsets=["test"]), "test")
    theirs = nussl.datasets.MUSDB18(str(tmp_path), is_wav=True, subsets=["test"])
    assert corpus.names == ["Ann - One", "Ben - Two"]
    assert corpus.source_names == ["bass", "drums", "other", "vocals"]
    assert_same_audio(corpus[1], theirs[1])
    paths = [signal.path_to_input_file for signal in corpus[1]["sources"].values()]
    assert paths == [theirs[1]["sources"][k].path_to_input_file for k in corpus.source_names]


def test_musdb_without_a_stem(tmp_path):
    write_musdb(tmp_path)
    (tmp_path / "test" / "Ben - Two" / "drums.wav").unlink()
    corpus = build_dataset(MUSDB18(str(tmp_path), is_wav=True, subsets=["test"]), "test")
    with pytest.raises(ConfigError, match="'Ben - Two' has no drums"):
        corpus[1]


def write_soundscapes(folder, names, events="_events", home="/gone"):
    """What Scaper leaves, with paths of a machine that is gone, unless it is at `home`."""
    for i, name in enumerate(names):
        parts = {"background0_hum": noise((i, 0), 1600), "foreground0_dog": noise((i, 1), 1600)}
        for part, audio in parts.items():
            write(folder / (name + events) / f"{part}.wav", audio, 16000)
        write(folder / f"{name}.wav", sum(parts.values()), 16000)
        sandbox = {
            "soundscape_audio_path": f"{home}/{name}.wav",
            "isolated_events_audio_path": [f"{home}/{name}{events}/{p}.wav" for p in parts],
            "fg_labels": ["dog"],
        }
        data = [
            {"time": 0, "duration": 0.1, "value": {"label": label}, "confidence": 1}
            for label in ("hum", "dog")
        ]
        annotation = {"namespace": "scaper", "data": data, "sandbox": {"scaper": sandbox}}
        annotation["annotation_metadata"] = {}
        jam = {"annotations": [annotation], "file_metadata": {"duration": 0.1}, "sandbox": {}}
        (folder / f"{name}.jams").write_text(json.dumps(jam))


@pytest.mark.parametrize("names", [("0", "1"), ("example00000", "example00001")])
def test_scaper_and_fuss_find_audio_that_was_moved(tmp_path, names):
    folder = tmp_path / "train"
    folder.mkdir()
    write_soundscapes(folder, names)
    for dataset in (Scaper(str(folder)), FUSS(str(tmp_path))):
        corpus = build_dataset(dataset, "train", [LongerThan(0.05)])
        assert corpus.names == list(names)
        assert list(corpus[1]["sources"]) == ["dog::0", "hum::0"]


def test_on_the_fly(tmp_path):
    corpus = build_dataset(OnTheFly(NoiseMix(), 3), "train", [LongerThan(0.1)])
    assert corpus.names == ["0", "1", "2"]
    assert list(corpus[2]["sources"]) == ["alto", "zither"]
    assert corpus[2]["metadata"] == {"number": 2}


class Numbered(nussl.datasets.BaseDataset):
    """A user's own dataset, with its own names."""

    def get_items(self, folder):
        return [{"seed": 1}, {"seed": 2}]

    def process_item(self, item):
        sources = {"b": self.signal(item, 1), "a": self.signal(item, 2)}
        return {"mix": sum(sources.values()), "sources": sources}

    def signal(self, item, k):
        return self._load_audio_from_array(noise((item["seed"], k), 900).T, SAMPLE_RATE)

    def item_name(self, item):
        return f"seed {item['seed']}"


def test_a_dataset_of_ones_own():
    corpus = build_dataset(Numbered("none"), "train")
    assert corpus.names == ["seed 1", "seed 2"]
    assert corpus.waveforms(0).shape == (3, 1, 900)
    assert corpus[0]["metadata"] == {}


class Loose(nussl.datasets.BaseDataset):
    """A user's own dataset that inherits nothing of ours, and says of its files only."""

    def get_items(self, folder):
        return ["a", "b"]

    def process_item(self, item):
        mix = self._load_audio_file(str(self.item_files(item)[0]))
        return {"mix": mix, "sources": {"only": mix}}

    def item_files(self, item):
        return [f"{self.folder}/{item}.wav"]


def test_a_dataset_from_elsewhere_gets_the_defaults_that_it_lacks(tmp_path):
    for i, item in enumerate("ab"):
        write(tmp_path / f"{item}.wav", noise(i, 4000 * (1 + i)))
    corpus = build_dataset(Loose(str(tmp_path)), "train", [LongerThan(0.6), NamedLike("[ab]")])
    assert corpus.names == ["b"]
    size, time = (tmp_path / "b.wav").stat().st_size, (tmp_path / "b.wav").stat().st_mtime_ns
    assert file_states(corpus) == [[[size, time]]]
    assert type(corpus.dataset) is Loose and pickle.loads(pickle.dumps(corpus)).names == ["b"]
    (tmp_path / "b.wav").unlink()
    assert file_states(corpus) == [[None]]
    with pytest.raises(ConfigError, match="track 'b' of Loose.* has no b.wav; add the file"):
        corpus[0]


@pytest.mark.parametrize("layout", ["folder", "musdb", "scaper"])
def test_nussls_own_classes_say_what_ours_say(tmp_path, layout):
    theirs, ours = nussl.datasets, corpora
    if layout == "folder":
        arguments = (str(write_folders(tmp_path)),)
        pair = theirs.MixSourceFolder(*arguments), ours.MixSourceFolder(*arguments)
    elif layout == "musdb":
        write_musdb(tmp_path)
        pair = [kind(str(tmp_path), is_wav=True) for kind in (theirs.MUSDB18, ours.MUSDB18)]
    else:
        write_soundscapes(tmp_path, ["0", "1"], home=tmp_path)
        pair = theirs.Scaper(str(tmp_path)), ours.Scaper(str(tmp_path))
    splits = [build_dataset(dataset, "test", [LongerThan(0.05)]) for dataset in pair]
    assert splits[0].names == splits[1].names
    assert file_states(splits[0]) == file_states(splits[1])
    assert all(len(states) > 1 and None not in states for states in file_states(splits[0]))
    item = splits[0].dataset.items[1]
    assert len({split.described.duration_seconds(item) for split in splits}) == 1


def test_audio_outside_the_folder_of_a_jams_is_not_read(tmp_path):
    folder, elsewhere = tmp_path / "corpus", tmp_path / "elsewhere"
    for one in (folder, elsewhere):
        write_soundscapes(one, ["0"], home=elsewhere)
    assert Scaper(str(folder))[0]["mix"].signal_length == 1600
    (folder / "0.wav").unlink()
    with pytest.raises(ConfigError, match="0.wav' leads out of .*/corpus"):
        Scaper(str(folder))[0]


def test_names_with_the_same_stem_keep_their_ending(tmp_path):
    write_folders(tmp_path)
    for folder in ("mix", "bass", "drums"):
        shutil.copy(tmp_path / folder / "a.wav", tmp_path / folder / "a.flac")
    corpus = build_dataset(MixSourceFolder(str(tmp_path)), "train")
    assert corpus.names == ["a.flac", "a.wav", "b.wav", "c.wav"]


def test_filters(tmp_path):
    dataset = WHAM(str(write_wham(tmp_path)))
    assert build_dataset(dataset, "train", [NamedLike("[13]")]).names == ["1", "3"]
    assert build_dataset(dataset, "train", [NamedLike(["1", "x*"])]).names == ["1"]
    assert build_dataset(dataset, "train", [LongerThan(1.2)]).names == ["1", "3"]
    assert build_dataset(dataset, "train", [LongerThan(1.2), ShorterThan(1.4)]).names == ["3"]
    assert len(dataset) == 4
    silent = tmp_path / "wav8k/min/tr/s2/2.wav"
    write(silent, np.zeros(9000))
    assert build_dataset(dataset, "train", [NotSilent(-60)]).names == ["0", "1", "3"]


def test_filters_that_leave_nothing(tmp_path):
    dataset = WHAM(str(write_wham(tmp_path)))
    with pytest.raises(
        ConfigError, match=r"val/build_dataset.filters = \[LongerThan\(seconds=60\)\]"
    ):
        build_dataset(dataset, "val", [LongerThan(60)])


def test_an_empty_split(tmp_path):
    write_wham(tmp_path, split="cv")
    for path in (tmp_path / "wav8k/min/cv/mix_clean").iterdir():
        path.unlink()
    with pytest.raises(ConfigError, match="val/build_dataset.dataset = WHAM.* is empty"):
        build_dataset(WHAM(str(tmp_path), split="cv"), "val")


def test_missing_folders(tmp_path):
    with pytest.raises(ConfigError, match="WHAM.root: there is no folder nowhere/.*/mix_clean"):
        WHAM("nowhere")
    with pytest.raises(ConfigError, match="MixSourceFolder.folder: there is no folder nowhere/mix"):
        MixSourceFolder("nowhere")
    with pytest.raises(ConfigError, match="MUSDB18.folder: there is no folder nowhere/train"):
        MUSDB18("nowhere")
    with pytest.raises(ConfigError, match="Scaper.folder: there is no folder nowhere"):
        Scaper("nowhere")
    with pytest.raises(ConfigError, match="FUSS.root: there is no folder nowhere/train"):
        FUSS("nowhere")
    with pytest.raises(ConfigError, match="WHAM: mix_up must be in"):
        WHAM(str(tmp_path), mix_folder="mix_up")
    write_folders(tmp_path)
    with pytest.raises(ConfigError, match="no folder .*/vocals"):
        MixSourceFolder(str(tmp_path), source_folders=["bass", "vocals"])


def test_transforms_to_features_have_no_place(tmp_path):
    chain = nussl.datasets.transforms.Compose([nussl.datasets.transforms.ToSeparationModel()])
    with pytest.raises(ConfigError, match="ToSeparationModel.*train.features"):
        build_dataset(WHAM(str(write_wham(tmp_path)), transform=chain), "train")


BAD_FILES = {
    "unreadable": (lambda path: path.write_bytes(b"RIFF no wav"), "1.wav can't be read as audio"),
    "zero bytes": (lambda path: path.write_bytes(b""), "1.wav can't be read as audio"),
    "no samples": (lambda path: write(path, np.zeros((0, 1))), "1.wav has no samples"),
    "sample rate": (lambda path: write(path, noise(0, 12000), 16000), "1.wav has 16000 Hz"),
    "length": (
        lambda path: write(path, noise(0, 11999)),
        "'1'.*s2 has 1 channels of 11999 samples",
    ),
    "nan": (lambda path: write_nan(path), "1.wav has NaN or infinite samples"),
    "absurd": (lambda path: write_nan(path, -1e30), "s2/1.wav has a sample of 1e[+]30, where full"),
    "cut": (
        lambda path: os.truncate(path, 12000),
        "s2/1.wav is cut short, it holds 11956 of the 24000 bytes of audio that its header",
    ),
    "missing": (lambda path: path.unlink(), "track '1' .* has no s2/1.wav"),
}


def write_nan(path, value=np.nan):
    audio = noise(0, 12000).astype(np.float32)
    audio[77] = value
    write(path, audio, subtype="FLOAT")


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_named(tmp_path, kind):
    spoil, sentence = BAD_FILES[kind]
    corpus = build_dataset(WHAM(str(write_wham(tmp_path))), "train")
    spoil(tmp_path / "wav8k/min/tr/s2/1.wav")
    with pytest.raises(ConfigError, match=sentence):
        corpus[1]


@pytest.mark.parametrize("kind", ["unreadable", "nan", "missing"])
def test_a_bad_file_is_named_for_nussls_own_class_too(tmp_path, kind):
    corpus = build_dataset(nussl.datasets.WHAM(str(write_wham(tmp_path))), "train")
    BAD_FILES[kind][0](tmp_path / "wav8k/min/tr/s2/1.wav")
    with pytest.raises(ConfigError, match="train: track '1' of WHAM"):
        corpus[1]


@pytest.mark.parametrize(
    ("ending", "subtype"),
    [
        (ending, subtype)
        for ending in ("wav", "aiff", "flac")
        for subtype in ("PCM_16", "PCM_24", "FLOAT")
        if (ending, subtype) != ("flac", "FLOAT")  # which does not exist
    ],
)
def test_mixture_and_sources_cut_alike_are_found_by_the_header(tmp_path, ending, subtype):
    for folder in ("mix", "a", "b"):
        write(tmp_path / folder / f"1.{ending}", noise(0, 6000), subtype=subtype)
    corpus = build_dataset(MixSourceFolder(str(tmp_path), ext=[f".{ending}"]), "test")
    for path in tmp_path.glob("*/*"):
        os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(ConfigError, match=f"/1.{ending} (is cut short|can't be read as audio)"):
        corpus[0]


@pytest.mark.parametrize("size", [2**32 - 1, 2**31 - 1])
def test_a_wav_file_that_was_written_into_a_pipe_is_whole(tmp_path, size):
    write(tmp_path / "1.wav", noise(0, 6000))
    content = bytearray((tmp_path / "1.wav").read_bytes())
    content[40:44] = size.to_bytes(4, "little")
    (tmp_path / "1.wav").write_bytes(content)
    assert len(read(tmp_path / "1.wav")[0]) == 6000


def test_floats_on_the_scale_of_16_bits_are_audio(tmp_path):
    write(tmp_path / "1.wav", noise(0, 6000) * 2**15, subtype="FLOAT")
    assert read(tmp_path / "1.wav")[0].max() > 1000


def test_a_mixture_that_is_missing_is_an_item_that_cannot_be_read(tmp_path):
    root = write_wham(tmp_path / "wham") / "wav8k/min/tr"
    (root / "mix_clean/1.wav").unlink()
    for name in ("mix_clean", "s1", "s2"):
        (root / name / "2.wav").unlink()
    corpus = build_dataset(WHAM(str(tmp_path / "wham")), "test")
    assert corpus.names == ["0", "1", "2", "3"]
    for i in (1, 2):
        with pytest.raises(
            ConfigError, match=f"track '{i}' of WHAM.* has no mix_clean/{i}.wav; add"
        ):
            corpus[i]
    assert file_states(corpus)[1][0] is None


def test_a_mixture_that_is_missing_in_musdb(tmp_path):
    write_musdb(tmp_path)
    (tmp_path / "test" / "Ben - Two" / "mixture.wav").unlink()
    corpus = build_dataset(MUSDB18(str(tmp_path), is_wav=True, subsets=["test"]), "test")
    with pytest.raises(ConfigError, match="'Ben - Two' .* has no test/Ben - Two/mixture.wav"):
        corpus[1]


def test_a_soundscape_without_its_jams_or_on_no_disk_is_missed(tmp_path):
    folder = tmp_path / "eval"
    folder.mkdir()
    names = ["example00000", "example00001"]
    write_soundscapes(folder, names)
    (folder / "example00001.jams").unlink()
    listed = [*names, "example00002"]
    lines = [f"eval/{name}.wav\teval/{name}_sources/a.wav\n" for name in listed]
    (tmp_path / "eval_example_list.txt").write_text("".join(lines))
    corpus = build_dataset(FUSS(str(tmp_path), "eval"), "test")
    assert corpus.names == listed
    for i in (1, 2):
        with pytest.raises(ConfigError, match=f"'{listed[i]}' .* can't be read"):
            corpus[i]
    assert file_states(corpus)[1:] == [[None], [None]]
    assert build_dataset(Scaper(str(folder)), "test").names == names


def test_a_soundscape_shorter_than_its_jams_says(tmp_path):
    write_soundscapes(tmp_path, ["0", "1"])
    for path in tmp_path.glob("1*/**/*.wav"):
        write(path, noise(0, 1000), 16000)
    write(tmp_path / "1.wav", noise(0, 1000), 16000)
    corpus = build_dataset(Scaper(str(tmp_path)), "test")
    with pytest.raises(ConfigError, match="1.jams tells of 0.1 s of audio, and there are 0.0625 s"):
        corpus[1]


def test_too_few_channels(tmp_path):
    write_wham(tmp_path)
    with pytest.raises(ConfigError, match="has 1 channels where WHAM has 2"):
        WHAM(str(tmp_path), num_channels=2)


def test_silence_is_fine(tmp_path):
    write_wham(tmp_path)
    for name in ("mix_clean", "s1", "s2"):
        write(tmp_path / "wav8k/min/tr" / name / "1.wav", np.zeros(12000))
    corpus = build_dataset(WHAM(str(tmp_path)), "train")
    assert not corpus.waveforms(1).any()


def test_training_needs_the_same_number_of_sources(tmp_path):
    write_folders(tmp_path, stems=("bass", "drums"))
    corpus = build_dataset(MixSourceFolder(str(tmp_path)), "train")
    corpus.dataset.transform = DropsOneOfTheSecond()
    with pytest.raises(ConfigError, match="'b' .* has 1 sources of 2 channels, the first track 2"):
        corpus.waveforms(1)


class DropsOneOfTheSecond:
    def __call__(self, data):
        sources = dict(data["sources"])
        if data["index"] == 1:
            sources.pop("bass")
        return data | {"sources": sources}


@pytest.mark.parametrize("make", ["wham", "musdb", "fly"])
def test_a_corpus_pickles(tmp_path, make):
    dataset = {
        "wham": lambda: WHAM(str(write_wham(tmp_path))),
        "musdb": lambda: MUSDB18(str(write_musdb(tmp_path)), is_wav=True),
        "fly": lambda: OnTheFly(NoiseMix(), 3),
    }[make]()
    corpus = build_dataset(dataset, "train", cache_root=tmp_path / "cache")
    again = pickle.loads(pickle.dumps(corpus))
    assert again.names == corpus.names and again.cache_root == corpus.cache_root
    np.testing.assert_array_equal(again.waveforms(1), corpus.waveforms(1))


def test_flac_and_float_files_read_alike(tmp_path):
    write(tmp_path / "mix" / "a.flac", noise(0, 4000))
    write(tmp_path / "s" / "a.flac", noise(0, 4000))
    item = build_dataset(MixSourceFolder(str(tmp_path)), "test")[0]
    expected, _ = soundfile.read(tmp_path / "mix" / "a.flac", dtype="float32")
    np.testing.assert_array_equal(item["mix"].audio_data[0], expected)
