#!/bin/sh
# `make run`: schema, demo region, a first plan, then web workers and scheduler until Ctrl-C.
set -eu
cd "$(dirname "$0")/.."
export DEMO="${DEMO:-true}" PORT="${PORT:-8000}" HOST="${HOST:-127.0.0.1}" PYTHONUNBUFFERED=1
export PUBLIC_URL="${PUBLIC_URL:-http://$HOST:$PORT}"
flask=".venv/bin/flask --app app"

echo "==> Bringing the database up to date"
$flask db upgrade
echo "==> The demo region"
$flask demo seed
echo "==> The first plan"
$flask plan --if-none

$flask scheduler >instance/scheduler.log 2>&1 &
scheduler=$!
.venv/bin/gunicorn -c gunicorn.conf.py 2>instance/web.log &
web=$!
stop() {
    trap - INT TERM EXIT
    kill "$web" "$scheduler" 2>/dev/null || true
    wait 2>/dev/null || true
}
trap 'stop; exit 0' INT TERM
trap stop EXIT

tries=0
until .venv/bin/python -c "import urllib.request as r; r.urlopen('http://$HOST:$PORT/healthz', timeout=2)" 2>/dev/null; do
    tries=$((tries + 1))
    if ! kill -0 "$web" 2>/dev/null || [ "$tries" -gt 150 ]; then
        echo "The web server did not start. Its log, instance/web.log, ends with:" >&2
        tail -n 5 instance/web.log >&2
        exit 1
    fi
    sleep 0.2
done
$flask demo sign-ins
echo
echo "==> Ready: http://$HOST:$PORT   (Ctrl-C stops; 'make run' goes on with the same data, 'make run-fresh' starts over)"
wait "$web"
