#!/usr/bin/env bash
# Renders songs and learns to separate them without ground truth; `primitives` only scores the cues;
# `companion` does both, then writes docs/index.html, a page to hear them.
#   bash toy/music.sh bootstrap | primitives | companion [-b BINDING_OF_LISTENING_PAGE]
# Continues where it was stopped.
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_NUM_THREADS=1 QUEUE=none PYTHON="${PYTHON:-python}"
out=toy/exp/music/out

say() { printf '\n== %s\n' "$*"; }
run() { "$PYTHON" main.py "$@"; }
compiled() { # makes the run folder of an experiment, once
    [ -f "$out/$1/run.sh" ] && return # it is written last
    rm -rf "${out:?}/$1"
    run -c toy/env.gin musdb/musdb.gin "toy/exp/music/$1.gin" instantiate
}

say "render songs, and prepare them as MUSDB18 is"
run make_toy_music -c toy/env.gin
run prepare_musdb -c toy/env.gin musdb/prepare_16k.gin

case ${1:-bootstrap} in
    primitives)
        compiled primitives
        say "score each cue and the ensemble"
        sh "$out/primitives/run.sh" --here
        say "compare: dB on the test songs, each against the ensemble"
        run compare -c "$out/primitives" -b "compare.columns = ['SI-SDRi']" \
            -b "compare.baseline = 'primitives/run5'"
        ;;
    bootstrap)
        compiled bootstrap
        say "rounds: separate, choose the confident, train on them, evaluate"
        sh "$out/bootstrap/run.sh" --here
        compiled ground_truth
        say "the same network, taught by the true stems"
        sh "$out/ground_truth/run.sh" --here
        say "compare: dB on songs that no network has heard"
        run compare -c toy/exp/music/compare.gin
        ;;
    companion)
        for experiment in bootstrap primitives; do
            compiled "$experiment"
            sh "$out/$experiment/run.sh" --here
        done
        say "the companion page: the rounds, each cue by itself, the sure and the unsure"
        run listening_page -c toy/exp/music/companion.gin "$out/bootstrap" "$out"/primitives/run[0-4]* "${@:2}"
        ;;
    *) echo "music.sh: $1 is none of bootstrap, primitives, companion" >&2; exit 2 ;;
esac
