#!/usr/bin/env bash
# Usage: scripts/with-mongod.sh COMMAND [ARGUMENT...]
#
# Runs the command with COLLOQUY_TEST_MONGODB_URI naming a MongoDB replica set, and ends with its exit code.
# If the variable is set already, that server is used. Otherwise a mongod of our own lives as long as the
# command: a replica set, though of one member, because change streams and transactions need one.
set -euo pipefail

if [ $# -eq 0 ]; then
    echo "usage: $0 COMMAND [ARGUMENT...]" >&2
    exit 2
fi
if [ -n "${COLLOQUY_TEST_MONGODB_URI:-}" ]; then
    exec "$@"
fi

SCRIPTS=$(cd "$(dirname "$0")" && pwd)
REPLICA_SET=colloquy-test
START_SECONDS_MAX=60
PORT_ATTEMPTS_MAX=5
# What mongod exits with when its port is taken.
EXIT_PORT_TAKEN=48

say() { echo "with-mongod: $*" >&2; }

mongod_pid=
command_pid=
scratch=

# By KILL: the data goes with it, and a primary asked politely first waits for secondaries that do not exist.
# Only while it is still a job of this shell: after that the number may belong to another process.
end_mongod() {
    [ -n "$mongod_pid" ] || return 0
    if jobs -rp | grep -qx "$mongod_pid"; then
        kill -KILL "$mongod_pid" 2>/dev/null || true
    fi
    wait "$mongod_pid" 2>/dev/null || true
    mongod_pid=
}

clean_up() {
    # A second Ctrl-C must not leave half of this undone.
    trap '' INT TERM HUP
    end_mongod
    [ -z "$scratch" ] || rm -rf "$scratch"
}

# The whole group, because cargo does not hand a signal on to the tests it runs.
interrupted() {
    [ -z "$command_pid" ] || kill -"$1" -- "-$command_pid" 2>/dev/null || true
    [ -z "$command_pid" ] || wait "$command_pid" 2>/dev/null || true
    exit "$2"
}
trap clean_up EXIT
trap 'interrupted INT 130' INT
trap 'interrupted TERM 143' TERM
trap 'interrupted HUP 129' HUP

# Each child in a process group of its own: a Ctrl-C then comes to this script alone, and the server outlives
# the tests instead of failing them on its way out.
set -m

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Waits for the server, makes it a replica set and waits for its election. There is no mongosh here, and a
# driver would be one more download, for three commands; so they are spoken in MongoDB's wire protocol directly.
initiate() {
    python3 - "$1" "$mongod_pid" "$REPLICA_SET" "$START_SECONDS_MAX" <<'PYTHON'
import os, socket, struct, sys, time

port, pid, replica_set = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
deadline = time.monotonic() + float(sys.argv[4])


def document(fields):
    body = b""
    for name, value in fields.items():
        key = name.encode() + b"\0"
        if isinstance(value, dict):
            body += b"\x03" + key + document(value)
        elif isinstance(value, list):
            body += b"\x04" + key + document({str(i): v for i, v in enumerate(value)})
        elif isinstance(value, str):
            text = value.encode() + b"\0"
            body += b"\x02" + key + struct.pack("<i", len(text)) + text
        else:
            body += b"\x10" + key + struct.pack("<i", value)
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def receive(connection, count):
    data = b""
    while len(data) < count:
        chunk = connection.recv(count - len(data))
        if not chunk:
            raise ConnectionError("mongod closed the connection")
        data += chunk
    return data


def run(command):
    """The reply as raw BSON: the questions below ask for one field each, which needs no decoder."""
    message = struct.pack("<iB", 0, 0) + document({**command, "$db": "admin"})
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(struct.pack("<iiii", len(message) + 16, 1, 0, 2013) + message)
        (length,) = struct.unpack("<i", receive(connection, 4))
        return receive(connection, length - 4)[12:]


def until(what, attempt):
    while time.monotonic() < deadline:
        os.kill(pid, 0)  # a server that has ended never answers, so there is nothing to wait for
        try:
            if attempt():
                return
        except OSError:
            pass  # not listening yet
        time.sleep(0.05)
    sys.exit(f"with-mongod: mongod did not {what} in time")


OK = b"\x01ok\0" + struct.pack("<d", 1)
# Another server may have taken the port a moment before ours. It must not be made a member of anything.
IS_OURS = b"\x12pid\0" + struct.pack("<q", pid)
IS_PRIMARY = b"\x08isWritablePrimary\0\x01"

try:
    until("answer", lambda: IS_OURS in run({"serverStatus": 1}))
    members = [{"_id": 0, "host": f"127.0.0.1:{port}"}]
    reply = run({"replSetInitiate": {"_id": replica_set, "members": members}})
    if OK not in reply:
        sys.exit(f"with-mongod: the replica set was refused: {reply!r}")
    until("become primary", lambda: IS_PRIMARY in run({"hello": 1}))
except OSError as error:
    sys.exit(f"with-mongod: mongod ended early or broke off: {error}")
PYTHON
}

start_failed() {
    say "mongod did not start. The end of its log:"
    tail -n 30 "$scratch/mongod.log" >&2 || true
    exit 1
}

mongod=$("$SCRIPTS/ensure-mongod.sh")
scratch=$(mktemp -d)

port=
for ((attempt = 1; attempt <= PORT_ATTEMPTS_MAX; attempt++)); do
    port=$(free_port)
    rm -rf "$scratch/data"
    mkdir "$scratch/data"
    # Small cache and no diagnostics: it shares the machine with a build. No socket file: it would outlive a KILL.
    "$mongod" --bind_ip 127.0.0.1 --port "$port" --replSet "$REPLICA_SET" --dbpath "$scratch/data" \
        --nounixsocket --wiredTigerCacheSizeGB 1 --setParameter diagnosticDataCollectionEnabled=false \
        --quiet --logpath "$scratch/mongod.log" >>"$scratch/mongod.out" 2>&1 </dev/null &
    mongod_pid=$!
    if initiate "$port" 2>"$scratch/initiate.err"; then
        break
    fi
    if kill -0 "$mongod_pid" 2>/dev/null; then
        cat "$scratch/initiate.err" >&2
        start_failed
    fi
    exit_code=0
    wait "$mongod_pid" || exit_code=$?
    mongod_pid=
    # The port was free when we asked, but it was not ours to keep until mongod listened on it.
    if [ "$exit_code" -ne "$EXIT_PORT_TAKEN" ] || [ "$attempt" -eq "$PORT_ATTEMPTS_MAX" ]; then
        cat "$scratch/mongod.out" >&2
        start_failed
    fi
    say "port $port was taken meanwhile; trying another."
done

export COLLOQUY_TEST_MONGODB_URI="mongodb://127.0.0.1:$port/?replicaSet=$REPLICA_SET"
# For the tests that start, kill and restart servers of their own.
export COLLOQUY_TEST_MONGOD=$mongod

# In the background, because bash runs no trap while it waits for a command in the foreground. A command there
# that reads from the terminal would be stopped for ever, so it finds the end of its input instead.
if [ -t 0 ]; then
    exec </dev/null
fi
"$@" <&0 &
command_pid=$!
exit_code=0
wait "$command_pid" || exit_code=$?
command_pid=
exit "$exit_code"
