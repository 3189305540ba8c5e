#!/bin/sh
# Made by main.py instantiate for the runs beside it. Skips what is queued, running or finished, and
# resumes what failed, was interrupted or killed, so it can be called again whenever something is mended.
#
#   run.sh [RUN...]        queues a job per run with tsp, if tsp is installed; otherwise as --here
#   run.sh --here          runs them in this shell, one after another; exit 1 if any failed, 75 if a
#                          signal ended it (130: Ctrl-C), after which run.sh goes on from there
#   run.sh --gpus N        GPUs per run; by default 1, or 0 on a machine without a GPU
#
# PYTHON chooses the interpreter; QUEUE=none means --here.
set -u
gpus='' here='' chosen=''
while [ $# -gt 0 ]; do
    case $1 in
        --here) here=yes ;;
        --gpus) gpus=${2:?--gpus needs a number}; shift ;;
        -*) echo "run.sh: there is no option $1; see its first lines" >&2; exit 2 ;;
        *) chosen="$chosen$(basename "$1")
" ;;
    esac
    shift
done
cd "$(dirname "$0")"/@ROOT@ || exit 1
python=${PYTHON:-python}
if [ "${QUEUE:-tsp}" = none ] || ! command -v tsp >/dev/null; then here=yes; fi
present=$("$python" allocate.py --list 2>/dev/null | grep -cE '^[0-9]+ +(GPU|MIG)-')
if [ -z "$gpus" ]; then [ "$present" -gt 0 ] && gpus=1 || gpus=0; fi
if [ -z "$here" ]; then
    listing=$(tsp -l) || exit 1
    # one slot per GPU; slots are only ever added
    if [ "$(tsp -S)" -lt "$present" ]; then tsp -S "$present"; fi
fi
failed=0 filled='' num_queued=0 num_done=0 child='' stopped=''

label() { echo "$(basename "$(dirname "$1")")/$(basename "$1")"; }

here() { # runs a command here; a signal to this shell alone reaches it, too
    "$@" </dev/null &
    child=$!
    wait $child
    code=$?
    while kill -0 $child 2>/dev/null; do wait $child; code=$?; done # a signal ends `wait` early
    child=''
    case $code in
        0) ;;
        75 | 130) stopped=${stopped:-$code} ;;
        *) failed=1 ;;
    esac
    if [ -n "$stopped" ]; then
        echo "run.sh: interrupted; call it again to go on" >&2
        exit "$stopped"
    fi
}

stop() {
    stopped=$1
    if [ -n "$child" ]; then kill -TERM "$child" 2>/dev/null; fi
}
trap 'stop 130' INT
trap 'stop 75' TERM USR1 HUP

in_queue() { # still queued or running under this label
    printf '%s\n' "$listing" | grep -E '^[0-9]+ +(queued|running|allocating) ' | grep -qF "[$1]"
}

finished() { # all three steps, by the run's own record
    grep -q '"state": "finished"' "$1/status.json" 2>/dev/null &&
        grep -qE '"command": "(all|resume|bootstrap)"' "$1/status.json"
}

counts() { # belongs to a sweep that instantiate made wholly
    [ ! -e "$1/.sweep" ] || [ ! -e "$(dirname "$1")/$(cat "$1/.sweep")" ]
}

running() { # in another shell, or on another machine that shares this folder
    ls "$1"/.lease.* >/dev/null 2>&1 &&
        "$python" main.py sweep_status -c "$1" </dev/null | grep -F "$(basename "$1") " |
        grep -q '  running '
}

step() {
    if grep -q '"pipeline": "bootstrap"' "$1/run.json"; then echo bootstrap
    elif [ -e "$1/checkpoints/latest.pth" ] || [ -e "$1/checkpoints/previous.pth" ]; then echo resume
    else echo all
    fi
}

fill() { # the caches that a run shares with all runs of the same key; `job` fills them
    key=$(sed -n 's/.*"cache_key": "\(.*\)".*/\1/p' "$1/run.json")
    job=''
    [ -n "$key" ] || return 0
    case " $filled " in *" $key "*) eval "job=\$job_$key"; return 0 ;; esac
    filled="$filled $key"
    if [ -n "$here" ]; then
        here "$python" main.py -c "$1/config.gin" cache
    elif in_queue "$(label "$1"):cache"; then
        job=$(printf '%s\n' "$listing" | grep -F "[$(label "$1"):cache]" | tail -n 1 | cut -d' ' -f1)
    else
        job=$(tsp -L "$(label "$1"):cache" "$python" main.py -c "$1/config.gin" cache)
    fi
    eval "job_$key=\$job"
}

run() {
    if finished "$1"; then
        num_done=$((num_done + 1))
    elif running "$1"; then
        echo "$(label "$1") is running"
    elif [ -n "$here" ]; then
        fill "$1"
        here "$python" allocate.py "$gpus" "$python" main.py -c "$1/config.gin" "$(step "$1")"
    elif ! in_queue "$(label "$1")"; then
        fill "$1"
        id=$(tsp -L "$(label "$1")" ${job:+-D "$job"} \
            "$python" allocate.py "$gpus" "$python" main.py -c "$1/config.gin" "$(step "$1")")
        echo "$id $(label "$1")"
        num_queued=$((num_queued + 1))
    fi
}

while IFS= read -r config; do
    folder=$(dirname "$config")
    if [ -z "$chosen" ] || printf '%s' "$chosen" | grep -qxF "$(basename "$folder")"; then
        if counts "$folder"; then run "$folder"; fi
    fi
done <<END
$(ls -dv @FOLDER@/run[0-9]*/config.gin)
END
if [ "$num_done" -gt 0 ]; then echo "$num_done finished already"; fi
if [ -z "$here" ]; then echo "$num_queued queued; tsp lists them"; fi
exit $failed
