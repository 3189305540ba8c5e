#!/usr/bin/env bash
# Trains small networks of every kind on the demo's speech, for equal processor time each, and compares them.
# Two at a time. Continues where it was stopped.
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_NUM_THREADS=1 QUEUE=none PYTHON="${PYTHON:-python}"
out=toy/exp/networks/out
networks="deep_clustering lstm_tasnet_stft lstm_tasnet conv_tasnet dprnn sepformer sudo_rm_rf tf_gridnet dccrn"

say() { printf '\n== %s\n' "$*"; }
run() { "$PYTHON" main.py "$@"; }

say "1/4 render the corpus: espeak-ng voices in the layout of WHAM!"
run make_toy_speech -c toy/env.gin

say "2/4 compile the runs, and fill the caches they share"
for name in $networks; do
    [ -f "$out/$name/run.sh" ] && continue # it is written last
    rm -rf "${out:?}/$name"
    run -c toy/env.gin wham/wham8k.gin "toy/exp/networks/$name.gin" instantiate
done
for name in deep_clustering lstm_tasnet; do
    run -c "$out/$name/run0/config.gin" cache
done

say "3/4 train, evaluate and analyze; their progress is in $out/<network>/run0/logs"
echo "$networks" | tr ' ' '\n' | xargs -P 2 -I{} sh -c \
    'sh "$1/run.sh" --here > "$1/output.txt" 2>&1 && echo "$1 is done" || { tail -3 "$1/output.txt"; exit 1; }' \
    _ "$out/{}"

say "4/4 compare: dB on the test voices, which no network has heard"
run compare -c toy/exp/networks/compare.gin
