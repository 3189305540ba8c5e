#!/usr/bin/env bash
# Renders two-voice mixtures, trains two networks, and compares them on voices they have never heard.
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_NUM_THREADS=1 QUEUE=none PYTHON="${PYTHON:-python}"

say() { printf '\n== %s\n' "$*"; }
recipe() { "$PYTHON" main.py -c toy/env.gin wham/wham8k.gin "toy/exp/$1.gin" "${@:2}"; }
newest() { ls -td toy/exp/out/"$1"/run[0-9]* | head -1; }

say "1/6 render the corpus: espeak-ng voices in the layout of WHAM!"
"$PYTHON" main.py make_toy_speech -c toy/env.gin

say "2/6 compile the sweep into one folder per run, and fill the cache they share"
recipe deep_clustering instantiate
recipe deep_clustering cache

say "3/6 train, evaluate and analyze each run"
sh toy/exp/out/deep_clustering/run.sh

say "4/6 score what they lie between: the mixture itself, and an oracle mask"
for baseline in mixture ideal_binary_mask; do
    recipe "$baseline" instantiate
    "$PYTHON" main.py -c "$(newest "$baseline")/config.gin" all > /dev/null
done

say "5/6 compare: dB on the test voices, which no network has heard"
"$PYTHON" main.py compare -c toy/exp/compare.gin

say "6/6 listen: the same tracks by each run, from worst to best, in one file for any browser"
"$PYTHON" main.py listening_page -c toy/exp/out/deep_clustering toy/exp/out/ideal_binary_mask \
    -b "listening_page.output = 'toy/exp/out/listening_page.html'" -b "listening_page.num_tracks = 5"
echo toy/exp/out/listening_page.html
