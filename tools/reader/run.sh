#!/bin/sh
# Supervisor of one training run: restarts train.py after a crash (it resumes from its checkpoint), not after SIGTERM,
# and exports the reader at the end.
# Usage: PYTHON=... sh run.sh --data DIR --out DIR --until HH:MM [train.py options]
here=$(dirname "$0")

# Waiting threads sleep instead of spinning.  With one other busy process on 2 cores, spinning at nice 19 trained
# 4 windows/s, sleeping 26; on idle cores spinning is faster (50-60 against 33-50), but such a run is seldom alone.
export OMP_WAIT_POLICY=PASSIVE
data= out= previous=
for word; do
    case $previous in --data) data=$word ;; --out) out=$word ;; esac
    previous=$word
done
child=
trap 'test -n "$child" && kill -TERM "$child"' TERM INT
for try in 1 2 3 4 5; do
    nice -n 19 ionice -c3 "${PYTHON:-python}" "$here/train.py" "$@" &
    child=$!
    wait "$child"; status=$?
    while kill -0 "$child" 2>/dev/null; do wait "$child"; status=$?; done
    test $status -eq 0 && break
    test $status -eq 143 && exit 143
    echo "train.py ended with $status, try $try"
    sleep 10
done
child=
exec nice -n 19 ionice -c3 "${PYTHON:-python}" "$here/export.py" --data "$data" --out "$out"
