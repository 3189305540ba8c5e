"""Tables of players for a notebook."""

from html import escape

import numpy as np

from audition.reports.listening.page import Heard
from audition.reports.listening.pictures import magnitudes_db, spectrogram_uri
from audition.reports.listening.sounds import common_gain, mp3_uri


def track_players(heard: dict[str, Heard]) -> str:
    """`players` for the mixture and, for each source, its reference and each run's estimate.

    Args:
        heard: label of a run → Heard of the same excerpt.
    """
    first = next(iter(heard.values()))
    rows = {"mixture": {"": first.mix}}
    for source, reference in first.references.items():
        estimates = {label: one.estimates[source] for label, one in heard.items()}
        rows[source] = {"reference": reference, **estimates}
    return players(rows, first.sample_rate)


def players(rows: dict[str, dict[str, np.ndarray]], sample_rate: int) -> str:
    """HTML of a table that plays and draws signals, all with the same gain and colour scale.

    Args:
        rows: title of a row → caption → signal `(channel, sample)`.
    """
    signals = [audio for row in rows.values() for audio in row.values()]
    gain = common_gain(signals)
    loudest_db = max(magnitudes_db(gain * audio, sample_rate).max() for audio in signals)

    def cell(caption, audio):
        sound = mp3_uri(gain * audio, sample_rate)
        picture = spectrogram_uri(magnitudes_db(gain * audio, sample_rate), loudest_db)
        return (
            f'<td>{escape(caption)}<br><audio controls src="{sound}"></audio><br>'
            f'<img src="{picture}" width="300" alt="Spectrogram of {escape(caption)}, 0 to {sample_rate / 2000:g} kHz"></td>'
        )

    lines = [
        f"<tr><th>{escape(title)}</th>{''.join(cell(*pair) for pair in row.items())}</tr>"
        for title, row in rows.items()
    ]
    return f"<table>{''.join(lines)}</table>"
