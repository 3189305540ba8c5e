"""The same work here and by other toolkits: processor time, as a table and as RATIO lines.

    python -m benchmarks.peers [--turns N] [CONTEST...]

All contests of contests.py, or those that are named. Takes about half an hour.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.peers import corpus, environments
from benchmarks.peers.contests import CONTESTS, Contest
from benchmarks.peers.turns import Result, contest

HEAD = "| work | by | least, ms | median, ms | to ours |\n|---|---|---|---|---|"


def rows(entry: Contest, results: dict[str, Result]) -> list[str]:
    """Of the table; the last column is the least seconds over those of the first side."""
    ours = results[entry.sides[0].name].least
    return [
        f"| {entry.title} | {name} | {1000 * one.least:.4g} | {1000 * one.middle:.4g} | "
        f"{one.least / ours:.2f} |"
        for name, one in results.items()
    ]


def ratios(entry: Contest, results: dict[str, Result]) -> list[str]:
    return [
        f"RATIO peers.{one.name} {results[one.above].least / results[one.below].least:.2f} "
        f"(bar {one.bar})"
        for one in entry.bars
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, help="of each contest, in place of its own number")
    parser.add_argument("contests", nargs="*", metavar="CONTEST", help=", ".join(CONTESTS))
    asked = parser.parse_args()
    entries = [CONTESTS[name] for name in asked.contests or CONTESTS]
    for name in environments.NAMES:
        environments.make(name)
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        corpus.write_speech(Path(folder, "speech"))
        corpus.write_songs(Path(folder, "songs"))
        print(HEAD)
        for entry in entries:
            results = contest(entry.sides, Path(folder), asked.turns or entry.turns, entry.pieces)
            print("\n".join(rows(entry, results)), flush=True)
            lines += ratios(entry, results)
    print("\n".join(["", *lines]))


if __name__ == "__main__":
    main()
