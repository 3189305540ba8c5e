"""docs/networks.md: its table of parameters is counted here, and written anew where it differs."""

from typing import NamedTuple

import pytest
import torch

from audition.models import (
    DCCRN,
    XUMX,
    BSRoFormer,
    ConvTasNet,
    DCUNet,
    DPRNNTasNet,
    DPTNet,
    LSTMTasNet,
    MelBandRoFormer,
    OpenUnmix,
    SepFormer,
    SuDoRMRF,
    TFGridNet,
)
from tests.support import road
from tests.support.parity import number

PAGE = road.ROOT / "docs" / "networks.md"
BEGIN, END = "<!-- parameters -->\n", "<!-- /parameters -->\n"
HEAD = "| network | `train.model` | here | published | by |\n|---|---|---|---|---|\n"


class Row(NamedTuple):
    name: str
    network: type
    settings: dict
    published: float  # millions of parameters
    source: str
    within: float = 0.01  # how far ours may be, as a share; 0.01 is how papers round


ROWS = [
    Row("Conv-TasNet", ConvTasNet, {}, 5.05, "asteroid; 5.1 in the paper"),
    Row("DPRNN-TasNet", DPRNNTasNet, {}, 3.65, "asteroid; 2.6 in the paper"),
    Row("DPTNet", DPTNet, {}, 8.53, "asteroid; 2.69 in the paper"),
    Row("SepFormer", SepFormer, {}, 25.7, "speechbrain; 26 in the paper"),
    Row("LSTM-TasNet", LSTMTasNet, {}, 21.4, "asteroid"),
    Row("SuDoRM-RF", SuDoRMRF, {}, 2.58, "asteroid; 2.6 in the paper"),
    Row("SuDoRM-RF, improved", SuDoRMRF, {"improved": True}, 2.63, "asteroid"),
    Row("Large-DCUNet-20", DCUNet, {"num_sources": 1}, 7.7, "the paper"),
    Row("DCCRN-CL", DCCRN, {"num_sources": 1}, 3.7, "the paper"),
    Row("TF-GridNet", TFGridNet, {}, 14.5, "the paper"),
    Row("BS-RoFormer", BSRoFormer, {"num_sources": 1}, 72.2, "the paper"),
    Row("Mel-band RoFormer", MelBandRoFormer, {"num_sources": 1}, 84.2, "the paper"),
    Row("Open-Unmix", OpenUnmix, {"num_sources": 1}, 8.9, "openunmix, for each target"),
    Row("X-UMX", XUMX, {"num_sources": 4}, 35.6, "the paper"),
]


def count_of(row):
    with torch.device("meta"):  # the largest take seconds to fill
        return number(row.network(**row.settings))


def text_of(row):
    given = ", ".join(f"{key} = {value!r}" for key, value in row.settings.items())
    call = f"`@{row.network.__name__}()`" + (f", `{given}`" if given else "")
    count = count_of(row)
    return f"| {row.name} | {call} | {count:,} | {row.published} M | {row.source} |\n"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_network_has_as_many_parameters_as_published(row):
    count = count_of(row) / 1e6
    assert count == pytest.approx(row.published, rel=row.within)


def test_the_documentation_says_so():
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    counted = f"{before}{BEGIN}{HEAD}{''.join(map(text_of, ROWS))}{END}{after}"
    PAGE.write_text(counted)
    assert text == counted, "docs/networks.md was behind; it is written anew: commit it."
