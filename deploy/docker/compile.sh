#!/bin/sh
# Compilation of the modules that the service and `batch` import, by running both once. Modules that are compiled only
# when they are installed would take 260 MB, most of them never imported; without any, each start compiles them again,
# because the root file system is read-only. It also shows that nothing needed was removed.
set -eu
VIDEOTAG_HOME="$(mktemp -d)"
export VIDEOTAG_HOME
cd "$VIDEOTAG_HOME"

printf '{"video_id": "1", "title": "How to tune a guitar"}\n' > videos.jsonl
videotag batch videos.jsonl --out tagged

# Any free port: the builder may share the network of its machine.
printf '[observe.metrics]\nlisten = "127.0.0.1:0"\n' > service.toml
videotag serve --config service.toml --listen "unix:$VIDEOTAG_HOME/socket" &
service=$!
tries=0
until python /opt/videotag/health.py "unix:$VIDEOTAG_HOME/socket"; do
    kill -0 "$service"
    tries=$((tries + 1))
    [ "$tries" -lt 300 ]
    sleep 2
done
kill "$service"
wait "$service"
cd / && rm -rf "$VIDEOTAG_HOME"
