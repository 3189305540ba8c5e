#!/usr/bin/env bash
# Renders two-voice mixtures, trains two networks, and compares them on voices they never heard.
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_NUM_THREADS=1 QUEUE=none PYTHON="${PYTHON:-python}"

say() { printf '\n== %s\n' "$*"; }
recipe() { "$PYTHON" main.py -c toy/env.gin wham/wham8k.gin "toy/exp/$1.gin" "${@:2}"; }
newest() { ls -td toy/exp/out/"$1"/run[0-9]* | head -1; }

say "1/5 render the corpus: espeak-ng voices in the layout of WHAM!"
"$PYTHON" main.py make_toy_speech -c toy/env.gin

say "2/5 compile the sweep into one folder per run, and fill the cache they share"
recipe deep_clustering instantiate
recipe deep_clustering cache

say "3/5 train, evaluate and analyze each run"
sh toy/exp/out/deep_clustering/run.sh

say "4/5 score what they lie between: the mixture itself, and an oracle mask"
for baseline in mixture ideal_binary_mask; do
    recipe "$baseline" instantiate
    "$PYTHON" main.py -c "$(newest "$baseline")/config.gin" evaluate
    "$PYTHON" main.py -c "$(newest "$baseline")/config.gin" analyze > /dev/null
done

say "5/5 compare: dB on the test voices, which no network has heard"
"$PYTHON" main.py compare -c toy/exp/compare.gin
