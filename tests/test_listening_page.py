"""listening_page: what it shows, that it stays whole, small and closed, and how it works in a browser."""

import base64
import io
import pickle
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import soundfile
from matplotlib import image

from audition.bootstrap.confidence import confidence_of
from audition.bootstrap.segments import segment_table
from audition.errors import ConfigError
from audition.files import write_json
from audition.reports.listening import (
    Curves,
    Heard,
    RunHead,
    choose_tracks,
    draw_card,
    excerpt_seconds,
    ranking_run,
    render,
)
from audition.reports.listening.choice import score_rows, telling_metric
from audition.reports.listening.facts import training_fact
from audition.reports.listening.names import breakable, shorten
from audition.reports.listening.pictures import curve_points
from audition.reports.listening.runs import TakeExcerpt
from audition.reports.listening.sounds import bytes_per_second, common_gain, loudest_start, mp3_uri
from audition.reports.report_card import score_table
from audition.runs.costs import duration, read_costs, record_training
from audition.runs.folder import Run, own_paths
from audition.separators import MaskEstimation
from tests.support import road
from tests.support.browser import Browser, needs_chromium
from tests.support.voices import open_corpus, save_network, voice, write_corpus

ODD = """<b>&"x'"""  # no file name may hold the / of </script>
HOSTILE = """<b>&"x'</script><img src=x onerror=alert(1)>"""
ORACLE = "evaluate.separator = @nussl.separation.benchmark.IdealBinaryMask()"


@pytest.fixture(scope="module")
def runs(speech, tmp_path_factory):
    """A trained run and an oracle, of two experiments, evaluated on tracks of which one is odd."""
    folder = tmp_path_factory.mktemp("experiments")
    shutil.copytree(speech, folder / "wham")
    for path in (folder / "wham").glob("wav8k/min/tt/*"):
        if path.is_dir():
            sorted(path.glob("*.wav"))[0].rename(path / f"{ODD}.wav")
    (trained,) = road.instantiate(folder / "wham", folder / "trained", "train.num_epochs = 2")
    (oracle,) = road.instantiate(folder / "wham", folder / "oracle", ORACLE)
    road.call("all", trained.config, "evaluate.save_audio = True")
    road.call("evaluate", oracle.config)
    return trained, oracle


@pytest.fixture(scope="module")
def page(runs):
    """Path of the page of both runs."""
    road.call("listening_page", *(run.config for run in runs))
    return runs[0].folder.parents[2] / "listening_page.html"


class Reader(HTMLParser):
    """Tags of a page and its text, as a browser would see them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.texts.append(data.strip())

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def sounds_of(text):
    return [one["src"] for one in Reader(text).all("audio")]


def decode(uri):
    return soundfile.read(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_the_page_shows_tracks_runs_scores_losses_and_costs(page, runs):
    reader = Reader(page.read_text())
    for text in (
        "trained/out/run0",
        "oracle/out/run0",
        "MaskEstimation",
        "IdealBinaryMask (oracle)",
    ):
        assert text in reader.texts
    assert {"worst", "best", "SI-SDRi", "validation loss", "confidence"} <= set(reader.texts)
    assert {"SI-SDRi, mean ± std", "separated and scored at", "dB"} <= set(reader.texts)
    assert any(text.endswith("× real time") for text in reader.texts)
    assert any(re.fullmatch(r"SI-SDRi -?[0-9.]+ dB", text) for text in reader.texts)
    assert len(reader.all("article")) == 4
    assert len(reader.all("audio")) == len(reader.all("img")) == 4 * (1 + 2 * 3)
    assert len(reader.all("tr")) == 1 + 10 + 1 + 2 * 4 * 2  # facts, scores: runs × tracks × sources
    assert len(reader.all("polyline")) == 2  # the oracle was never trained
    costs = read_costs(runs[0])
    assert f"{duration(costs['train']['seconds'])}, 2 epochs" in reader.texts
    assert all(step["peak_memory_bytes"] > 1e8 for step in costs.values())
    assert costs["evaluate"]["seconds_of_audio"] > 4


def test_each_run_is_separated_with_its_own_settings_and_heard_as_scored(page, runs):
    sounds = sounds_of(page.read_text())
    (truth, rate), (oracle, _) = decode(sounds[1]), decode(sounds[3])
    assert rate == 16000
    assert np.corrcoef(truth, oracle)[0, 1] > 0.9
    road.call(
        "listening_page", *(run.config for run in runs), "listening_page.use_saved_audio = False"
    )
    assert sounds_of(page.read_text()) == sounds


def test_saved_audio_that_was_changed_is_not_heard(runs, tmp_path):
    run = Run(shutil.copytree(runs[0].folder, tmp_path / runs[0].folder.name))
    road.call("listening_page", run.config)
    before = sounds_of(run.listening_page.read_text())
    for path in run.audio.rglob("*.wav"):
        content = path.read_bytes()
        path.write_bytes(content[:2000] + bytes(len(content) - 4000) + content[-2000:])
    road.call("listening_page", run.config)
    assert sounds_of(run.listening_page.read_text()) == before


def test_each_track_is_separated_once_and_its_confidence_measured(runs, tmp_path, monkeypatch):
    calls, finish = [], MaskEstimation.finish

    def counted(*arguments):
        calls.append(arguments)
        return finish(*arguments)

    monkeypatch.setattr(MaskEstimation, "finish", counted)
    path = tmp_path / "page.html"
    bindings = ("use_saved_audio = False", f"output = '{path}'")
    road.call("listening_page", runs[0].config, *(f"listening_page.{one}" for one in bindings))
    reader = Reader(path.read_text())
    assert len(calls) == len(reader.all("article")) == 4
    assert "confidence" in reader.texts


def test_the_page_asks_nothing_of_any_server(page):
    text = page.read_text()
    reader = Reader(text)
    links = [
        a[key] for _, a in reader.tags for key in ("src", "href", "srcset", "action") if key in a
    ]
    assert {
        re.match(r"data:(audio/mpeg|image/webp);base64,|#", link) is None for link in links
    } == {False}
    assert not re.search(r"https?://|@import|url\(|style=|<link", text)
    (policy,) = [a["content"] for a in reader.all("meta") if "http-equiv" in a]
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy
    assert page.stat().st_size < 20e6


def test_names_of_files_are_escaped(page):
    assert "<b>&" not in page.read_text()
    assert ODD in Reader(page.read_text()).texts


def heard(mix, estimates=None, **changes):
    references = {"s1": mix * 0.5, "s2": mix * 0.5}
    parts = {"estimates": references if estimates is None else estimates, "sample_rate": 8000}
    whole = {"start": 0, "num_samples": mix.shape[1], "confidence": None}
    return Heard(mix, references, **{**parts, **whole, **changes})


def render_cards(cards, num_runs=1, name="run0"):
    curves = Curves(1, name, [2.0, float("nan"), 1.0], [])
    return render(
        title=name,
        heads=[RunHead(n, name, {"separator": name}) for n in range(1, num_runs + 1)],
        curves=[curves],
        cards=cards,
        rows=[],
        metrics=["SI-SDR"],
        metric="SI-SDR",
        ranked_by=1,
        exhibits=[],
        note="",
        made=name,
    )


def test_names_that_would_break_out_do_not():
    one = heard(voice(0.5, 110))
    sources = {HOSTILE: one.mix}
    one = one._replace(references=sources, estimates=sources)
    reader = Reader(
        render_cards([draw_card(HOSTILE, "worst", [one], [{HOSTILE: 1.0}])], name=HOSTILE)
    )
    assert not {"b"} & {tag for tag, a in reader.tags if tag == "b" and "class" not in a}
    assert len(reader.all("script")) == 1
    assert [a["src"][:5] for a in reader.all("img")] == ["data:"] * 3
    assert reader.texts.count(HOSTILE) >= 4


def test_silence_nan_and_infinite_samples_are_drawn():
    silent = np.zeros((1, 800), np.float32)
    bad = np.full((1, 800), np.nan, np.float32)
    bad[0, 0] = np.inf
    card = draw_card("t", "worst", [heard(silent, {"s1": bad, "s2": silent})], [{"s1": np.nan}])
    assert "nan" not in card.sources[0][1][1].envelope
    assert "SI-SDR –" in Reader(render_cards([card])).texts
    audio, _ = decode(card.sources[0][1][1].sound)
    assert np.isfinite(audio).all()


@pytest.mark.parametrize("num_channels", [1, 2, 6])
@pytest.mark.parametrize("rate", [8000, 22050, 44100])
def test_sounds_come_back_as_they_were(rate, num_channels):
    audio = voice(1.0, 220, sample_rate=rate, num_channels=num_channels)
    decoded, decoded_rate = decode(mp3_uri(audio, rate))
    assert decoded_rate == max(rate, 16000)
    assert decoded.ndim == min(num_channels, 2) if num_channels < 3 else decoded.ndim == 1
    assert abs(len(decoded) / decoded_rate - 1.0) < 0.1
    loudness = np.sqrt(np.mean(np.square(decoded))) / np.sqrt(np.mean(np.square(audio)))
    assert 0.8 < loudness < 1.2


def test_one_gain_keeps_loudness_comparable():
    loud, soft = voice(0.5, 110), 0.1 * voice(0.5, 110)
    gain = common_gain([loud, soft])
    assert 0.8 < np.abs(gain * loud).max() < 0.9
    assert common_gain([np.zeros((1, 9))]) == 1


@pytest.mark.parametrize(("num_runs", "rate"), [(2, 8000), (12, 8000), (5, 44100)])
def test_ten_tracks_of_noise_stay_below_20_megabytes(num_runs, rate):
    """Noise is the worst there is to compress; a tenth of the page is encoded."""
    num_signals = 1 + 2 * (1 + num_runs)
    around = len(render_cards([]).encode())
    seconds = excerpt_seconds(10 * num_signals, rate, 30.0, 20, around)
    noise = np.random.RandomState(0).randn(1, round(seconds * rate)).astype(np.float32)
    one = heard(noise, sample_rate=rate)
    card = draw_card("t", "worst", [one] * num_runs, [{}] * num_runs)
    size = around + 10 * (len(render_cards([card], num_runs).encode()) - around)
    assert 14e6 < size < 20e6
    assert len(card.mixture.sound) < 1.02 * seconds * bytes_per_second(rate) + 1000


def test_a_page_too_small_for_its_signals_says_what_to_lower():
    with pytest.raises(ConfigError, match="lower listening_page.num_tracks, give fewer runs"):
        excerpt_seconds(10 * 7, 44100, 30.0, 1, 0)
    with pytest.raises(ConfigError, match="leave 0 s of each"):
        excerpt_seconds(10 * 7, 44100, 30.0, 20, 30e6)


def test_the_loudest_stretch_is_found():
    audio = np.concatenate(
        [np.full((2, 50), 0.1), np.ones((2, 30)), np.full((2, 40), np.nan)], axis=1
    )
    assert loudest_start(audio, 30) == 50
    assert loudest_start(audio, 500) == 0


@pytest.mark.parametrize("num", [1, 2, 3, 10, 24, 99])
def test_worst_median_and_best_are_among_the_chosen(num):
    scores = pd.Series({f"t{i}": float(i) for i in range(24)} | {"silent": np.nan})
    chosen = choose_tracks(scores, num)
    assert len(chosen) == min(num, 24)
    assert list(chosen) == sorted(chosen, key=scores.get)
    assert chosen["t0"] == "worst"
    assert num < 2 or chosen["t23"] == "best"
    assert num < 3 or chosen["t11"] == "median, rank 12 of 24"
    assert next(iter(choose_tracks(scores, num, lower_is_better=True))) == "t23"


def test_a_run_whose_tracks_all_score_alike_ranks_none():
    tracks = ["a", "b", "c"]
    mixture, network = (
        pd.DataFrame({"track": tracks, "source": "s1", "SI-SDRi": values})
        for values in ([0.0, 1e-9, 0.0], [3.0, 1.0, 2.0])
    )
    number, means = ranking_run([mixture, network], "SI-SDRi")
    assert number == 2 and list(choose_tracks(means, 3)) == ["b", "c", "a"]
    assert ranking_run([mixture], "SI-SDRi")[0] == 1
    perfect = mixture.assign(**{"SI-SDRi": np.inf})
    assert ranking_run([perfect, mixture], "SI-SDRi")[0] == 2
    with pytest.raises(ConfigError, match="No track has a finite SI-SDRi"):
        ranking_run([perfect], "SI-SDRi")


def told(capsys, *words):
    assert road.call("listening_page", *words, check=False) == 2
    return capsys.readouterr().err


def test_mistakes_are_told_in_one_sentence(runs, instantiate, capsys):
    (fresh,) = instantiate()
    assert "give an out folder, or the config.gin of runs" in told(
        capsys, *road.RECIPE[:2], "WHAM_ROOT = ''", "CACHE_ROOT = ''"
    )
    assert "run evaluate first" in told(capsys, fresh.config)
    assert "but the scores are SI-SDR, " in told(
        capsys, runs[1].config, "listening_page.metric = 'PESQ'"
    )
    assert "run evaluate again" in told(capsys, runs[1].config, "evaluate.seed = 1")
    assert "num_tracks = 0 must be at least 1" in told(
        capsys, runs[1].config, "listening_page.num_tracks = 0"
    )
    output = f"listening_page.output = '{runs[1].folder}'"
    assert "is a folder: name a file in it" in told(capsys, runs[1].config, output)


def test_a_run_that_is_not_evaluated_yet_is_left_out(runs, instantiate, caplog, tmp_path):
    (fresh,) = instantiate()
    output = f"listening_page.output = '{tmp_path / 'page.html'}'"
    road.call("listening_page", runs[0].config, fresh.config, output)
    assert f"{fresh.folder} has no results, so it is left out" in caplog.text
    assert len(Reader((tmp_path / "page.html").read_text()).all("article")) == 4


def test_later_files_win_as_they_do_everywhere(runs, tmp_path):
    """The seed is that of the run where its config comes last, as when it was evaluated."""
    (tmp_path / "before.gin").write_text("evaluate.seed = 7\n")
    output = f"listening_page.output = '{tmp_path / 'page.html'}'"
    other, config = tmp_path / "before.gin", runs[1].config
    paths = list(own_paths(runs[1], [str(other), str(runs[0].config), str(config)]))
    assert paths == [str(other), config]
    text = config.read_text()
    config.write_text(text + "\nevaluate.seed = 0\n")
    road.call("listening_page", other, config, output, "listening_page.num_tracks = 1")
    config.write_text(text)


def test_a_bootstrap_is_shown_by_its_rounds_and_what_their_teachers_were_sure_of(
    bootstrapped, tmp_path
):
    """By the settings of the companion page."""
    settings = [f"output = '{tmp_path / 'page.html'}'", "max_seconds = 2.0", "num_tracks = 1"]
    bindings = [f"listening_page.{one}" for one in settings]
    road.call("listening_page", "toy/exp/music/companion.gin", bootstrapped.config, *bindings)
    text = (tmp_path / "page.html").read_text()
    reader = Reader(text)
    assert {"round0", "round1", "round2"} <= set(reader.texts)
    assert "Learning to separate songs without ground truth" in reader.texts
    assert "never from stems. The runs named CUE are single primitive separators." in text
    for number in (1, 2):
        segments = segment_table(bootstrapped.round(number).segments)
        assert f"What the teacher of round{number} was sure of" in reader.texts
        for place, name in (
            ("least", segments.confidence.idxmin()),
            ("most", segments.confidence.idxmax()),
        ):
            heard = text[text.index(f'id="segment-{number}-{1 if place == "least" else 2}"') :]
            assert f">{name}</h3>" in heard[:300]
            rank = f"{place} confident of {len(segments)}: {segments.confidence[name]:.2f}, true SI-SDRi"
            assert rank in heard[:400]
    alts = [one["alt"] for one in reader.all("img")]
    assert all(alts)
    assert sum(alt.startswith("SI-SDRi of segments over their confidence") for alt in alts) == 2
    assert sum(bool(re.match(r"Mean SI-SDRi: Q1 .*, Q5 ", alt)) for alt in alts) == 2


def test_the_companion_page_is_whole_small_and_says_what_it_was_made_from():
    """docs/index.html, by `make companion`: each cue, the rounds, the two figures, sure and unsure."""
    text = (road.ROOT / "docs/index.html").read_text()
    reader = Reader(text)
    names = " ".join(one["title"] for one in reader.all("span") if one.get("class") == "what") + " "
    for cue in ("repetition", "micromodulation", "PredominantMelody", "Repet ", "RepetSim "):
        assert f":CUE:{cue}" in names or f".{cue}" in names, cue
    assert all(f"/round{number}" in names for number in range(3))
    for number in (1, 2):
        assert f'id="segment-{number}-1"' in text and f'id="segment-{number}-2"' in text
    alts = [one["alt"] for one in reader.all("img")]
    assert sum(alt.startswith("SI-SDRi of segments over their confidence") for alt in alts) == 2
    assert sum(alt.startswith("Mean SI-SDRi: Q1") for alt in alts) == 2
    assert re.search(r"songs of \d+ s", text)
    assert not re.search(r"https?://", text)
    assert len(text) < 4e6


def test_a_name_breaks_after_its_parts_and_is_escaped():
    """`bootstrap/run0/round0` broke within a word, "rou nd0", in a column too narrow for it."""
    assert breakable("a_b/run0:lr:<x>") == "a_<wbr>b/<wbr>run0:<wbr>lr:<wbr>&lt;x&gt;"


def test_a_training_of_one_epoch_is_seen_and_counted():
    assert curve_points([2.0], 1.0, 2.0) == "45.00,0.00 55.00,0.00"
    assert training_fact({"seconds": 3.0, "epochs": 1}) == "3 s, 1 epoch"


def test_names_are_shortened_where_they_are_alike():
    names = ["exp/run0:LOSS:WhitenedKMeansLoss", "exp/run1:LOSS:DeepClusteringLoss"]
    assert shorten(names) == ["run0:L…edKMeansLoss", "run1:L…usteringLoss"]
    assert shorten([*names, "oracle/run0"])[2] == "oracle/run0"
    assert shorten(["run0"]) == ["run0"]
    cues = ["out/run0:CUE:nussl.separation.primitive.Repet", "out/run1:CUE:timbre-nussl.x.FT2D"]
    assert shorten(cues) == ["run0:CUE:Repet", "run1:C…:timbre-FT2D"]
    alike = [f"a_name_that_differs_in_{n}_and_is_long_all_around" for n in (1, 2)]
    assert len(set(shorten(alike))) == 2
    assert shorten(["x" * 99] * 2) == shorten(["x" * 99]) * 2


def test_audio_that_was_swapped_since_is_not_played_for_what_was_scored(speech, tmp_path, capsys):
    shutil.copytree(speech, tmp_path / "wham")
    (run,) = road.instantiate(tmp_path / "wham", tmp_path, ORACLE)
    road.call("evaluate", run.config)
    for folder in ("mix_clean", "s1", "s2"):
        first, second, *_ = sorted((tmp_path / "wham/wav8k/min/tt" / folder).glob("*.wav"))
        shutil.copy(second, first)
    assert road.call("listening_page", run.config, check=False) != 0
    assert "changed since it was scored: run evaluate again" in capsys.readouterr().err


def test_runs_of_other_test_sets_are_refused(runs, instantiate, capsys):
    (other,) = instantiate(ORACLE)
    road.call("evaluate", other.config, "test/WHAM.split = 'cv'")
    assert "can't be compared: " in told(capsys, runs[1].config, other.config)


def test_what_travels_to_workers_pickles(tmp_path):
    path = save_network(tmp_path / "best.model.pth")
    corpus = open_corpus(write_corpus(tmp_path / "data", 1))
    separator = MaskEstimation(str(path))
    (output,) = separator.on_device([corpus[0]["mix"]], "cpu")
    separation = pickle.loads(pickle.dumps(separator)).separate(corpus[0]["mix"], output)
    take = pickle.loads(pickle.dumps(TakeExcerpt(0.5, True, {}, confidence_of)))
    assert (take.seconds, take.orders, take.scored) == (0.5, True, {})
    assert 0 <= take.confidence_of(separation) <= 1


def test_training_time_adds_up_over_restarts_and_begins_anew(tmp_path):
    run = Run(tmp_path)
    write_json(tmp_path / "cost.json", {"train": {"seconds": 100.0, "epochs": 9}})
    for epoch, seconds in enumerate([1.0, 2.0, 4.0], start=1):
        peaks = {"peak_memory_bytes": int(8 / seconds), "peak_gpu_memory_bytes": None}
        record_training(run, epoch, seconds, peaks)
    train = read_costs(run)["train"]
    assert (train["epochs"], train["seconds"]) == (3, 7.0)
    assert (train["peak_memory_bytes"], train["peak_gpu_memory_bytes"]) == (8, None)
    assert [duration(s) for s in (40, 720, 11100)] == ["40 s", "12 min", "3 h 05 min"]


@pytest.fixture(scope="module")
def browser(page):
    browser = Browser()
    browser.open(page)
    yield browser
    browser.close()


def column(browser, number):
    """Texts of a column of the table of scores, from the top."""
    cells = f"[...document.querySelectorAll('.sortable tbody tr')].map(row => row.cells[{number}]"
    return browser.evaluate(f"{cells}.textContent.trim())")


def head(number):
    return f".sortable thead th:nth-child({number + 1})"


def sorting(browser, number):
    return browser.evaluate(f"document.querySelector('{head(number)}').getAttribute('aria-sort')")


@needs_chromium
def test_any_column_sorts_by_mouse_and_by_keyboard(browser, page):
    names = browser.evaluate(
        "[...document.querySelectorAll('.sortable thead th')].map(one => one.dataset.name)"
    )
    before = browser.evaluate("document.querySelectorAll('.sortable tbody tr').length")
    assert sorting(browser, names.index("SI-SDRi")) == "ascending"
    for number in range(3, len(names)):
        browser.click(f"{head(number)} button")
        values = [float(text) for text in column(browser, number) if text != "–"]
        if sorting(browser, number) == "descending":
            values.reverse()
        assert values == sorted(values), names[number]
    browser.evaluate(f"document.querySelector('{head(1)} button').focus()")
    browser.press("Enter")
    assert sorting(browser, 1) == "ascending" and sorting(browser, 3) is None
    assert column(browser, 1)[0] == min(column(browser, 1), key=str.lower)
    browser.press(" ")
    assert sorting(browser, 1) == "descending"
    assert (
        browser.evaluate("document.querySelectorAll('.sortable tbody tr').length") == before == 16
    )


def choose(browser, selector, index):
    browser.evaluate(
        f"(one => {{ one.selectedIndex = {index}; for (const kind of ['input', 'change'])"
        f" one.dispatchEvent(new Event(kind)); }})(document.querySelector('{selector}'))"
    )


VISIBLE = (
    "[...document.querySelectorAll('#{} tbody tr')].filter(row => row.getClientRects().length)"
)


@needs_chromium
def test_runs_are_put_side_by_side_and_rows_are_filtered(browser, runs):
    choose(browser, "#view", 1)
    rows = browser.evaluate(
        VISIBLE.format("side-by-side")
        + ".map(row => [...row.cells].map(c => c.title || c.textContent))"
    )
    scores = [score_table(run).set_index(["track", "source"])["SI-SDRi"] for run in runs]
    assert len(rows) == len(scores[0]) == 8
    for track, source, one, other, apart in rows:
        assert float(one) == pytest.approx(scores[0][track, source], abs=0.006)
        assert float(other) == pytest.approx(scores[1][track, source], abs=0.006)
        assert float(apart) == pytest.approx(float(other) - float(one), abs=1e-6)
    differences = [float(row[-1]) for row in rows]
    assert differences == sorted(differences)
    choose(browser, "#view", 0)
    choose(browser, "#only-run", 2)
    assert set(
        browser.evaluate(VISIBLE.format("all-scores") + ".map(r => r.cells[0].innerText)")
    ) == {"B"}
    browser.evaluate(
        "(one => { one.value = '<B>'; one.dispatchEvent(new Event('input')); })"
        "(document.querySelector('#only-track'))"
    )
    assert browser.evaluate(VISIBLE.format("all-scores") + ".length") == 2
    assert browser.evaluate("document.querySelector('#found').textContent") == "2 of 16 lines"
    browser.evaluate("document.querySelector('#only-track').focus()")
    browser.press("n")
    assert browser.evaluate("document.querySelector('#deck').hidden")  # typed, not obeyed
    browser.evaluate("document.querySelector('#only-track').value = ''")
    choose(browser, "#only-run", 0)


AUDIO = 'document.querySelector(\'#track-{0} [data-source="{1}"][data-kind="{2}"] audio\')'
A, B = AUDIO.format(1, 0, 1), AUDIO.format(1, 0, 2)
SOUNDING = "[...document.querySelectorAll('audio')].filter(one => !one.paused)"


def plays_alone(browser, audio):
    browser.wait_for(f"{SOUNDING}.length === 1 && {SOUNDING}[0] === {audio}")
    at = browser.evaluate(f"{audio}.currentTime")
    browser.wait_for(f"{audio}.currentTime > {at} || {audio}.currentTime < {at}")  # it may repeat


@needs_chromium
def test_runs_are_switched_at_the_same_position(browser):
    browser.click("#track-1 [data-source='0'][data-kind='1'] button")
    plays_alone(browser, A)
    browser.click("#repeat")
    browser.press("b")
    plays_alone(browser, B)
    browser.click("#choices button:nth-child(3)")
    plays_alone(browser, A)
    apart = browser.evaluate(
        "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'b', bubbles: true})),"
        f"Math.abs({A}.currentTime - {B}.currentTime)"
    )
    assert apart < 0.05
    plays_alone(browser, B)
    for key, audio in (
        ("m", AUDIO.format(1, "", "mixture")),
        ("r", AUDIO.format(1, 0, "reference")),
    ):
        browser.press(key)
        plays_alone(browser, audio)
    browser.press("s")
    plays_alone(browser, AUDIO.format(1, 1, "reference"))
    browser.press("n")
    plays_alone(browser, AUDIO.format(2, 1, "reference"))


@needs_chromium
def test_a_click_on_a_picture_seeks_and_space_plays(browser):
    browser.evaluate("document.activeElement.blur(), document.querySelector('audio').pause()")
    browser.click("#track-1 [data-source='0'][data-kind='1'] .picture", across=0.5)
    browser.evaluate(f"{SOUNDING}.forEach(one => one.pause())")
    browser.wait_for(f"{SOUNDING}.length === 0")
    browser.click("#track-1 [data-source='0'][data-kind='1'] .picture", across=0.25)
    quarter = browser.evaluate(
        f"{A}.currentTime / document.querySelector('#track-1').dataset.seconds"
    )
    assert quarter == pytest.approx(0.25, abs=0.02)
    browser.press("b")
    assert browser.evaluate(f"{B}.currentTime - {A}.currentTime") == pytest.approx(0, abs=1e-3)
    assert browser.evaluate("document.querySelector('#seek').value") == str(round(1000 * quarter))
    for key in ("ArrowRight", "ArrowLeft", "ArrowLeft"):
        browser.press(key)
    assert browser.evaluate(f"{B}.currentTime") == 0
    browser.press(" ")
    plays_alone(browser, B)
    browser.press(" ")
    browser.wait_for(f"{SOUNDING}.length === 0")


@needs_chromium
def test_every_control_is_reached_by_tab_and_named(browser):
    unnamed = browser.evaluate(
        "[...document.querySelectorAll('button, a, input')].filter(one => one.tabIndex < 0 || !("
        "one.textContent.trim() || one.ariaLabel || one.labels?.[0]?.textContent.trim())).length"
    )
    assert unnamed == 0


@needs_chromium
@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_fits_its_window_in_light_and_dark(browser, tmp_path, width):
    pictures = {}
    for scheme in ("light", "dark"):
        path = tmp_path / f"{scheme}.png"
        browser.screenshot(path, width, 900, scheme)
        pictures[scheme] = image.imread(path)[..., :3]
    assert pictures["light"].shape == (900, width, 3)
    assert pictures["light"].mean() > 0.6 > 0.4 > pictures["dark"].mean()
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")


@needs_chromium
def test_a_phone_shows_the_sorted_column_first(browser, tmp_path):
    browser.screenshot(tmp_path / "phone.png", 400, 900)
    first = "document.querySelector('#all-scores thead th:first-child')"
    for name in ("SI-SAR", "Track", "SI-SDRi"):
        browser.click(f"#all-scores [data-name='{name}'] button")
        assert browser.evaluate(f"{first}.dataset.name") == name
        assert browser.evaluate(f"{first}.hasAttribute('aria-sort')")


@needs_chromium
def test_the_browser_asked_for_nothing_and_complained_of_nothing(browser, page):
    """Last: what all tests before have done counts."""
    assert browser.requests() == [page.resolve().as_uri()]
    assert browser.complaints() == []
    assert browser.evaluate("[...document.images].every(one => one.naturalWidth === 480)")
    assert browser.evaluate("[...document.querySelectorAll('audio')].every(one => !one.error)")


def test_a_page_of_mixtures_alone_shows_no_improvement_of_nothing(tmp_path):
    """Nor scores that only tell how arithmetic rounds, in the rows of the page's own table."""
    mixture = pd.DataFrame(
        {
            "track": ["a", "b"],
            "source": ["s1", "s1"],
            "SI-SDR": [1.0, 2.0],
            "SI-SAR": [310.0, 311.0],
            "SI-SDRi": [0.0, 1e-7],
            "MIX-SI-SDR": [1.0, 2.0],
        }
    )
    trained = mixture.assign(**{"SI-SAR": [9.0, 8.0], "SI-SDRi": [5.0, 4.0]})
    assert telling_metric("SI-SDRi", [mixture, mixture]) == "SI-SDR"
    assert telling_metric("SI-SDRi", [mixture, trained]) == "SI-SDRi"
    assert score_rows([mixture], "SI-SDR", [])["metrics"] == ["SI-SDR"]
    both = score_rows([mixture, trained], "SI-SDRi", [])
    assert both["metrics"] == ["SI-SDRi", "SI-SDR", "SI-SAR", "MIX-SI-SDR"]
    of_the_mixture = [row.scores for row in both["rows"] if row.number == 1]
    assert np.isnan([scores[2:] for scores in of_the_mixture]).all()
