#!/usr/bin/env bash
# Says something and prints the reply as it comes, with curl and jq:
#
#     ./follow_reply.sh http://127.0.0.1:8000 "Tell me about the sea"
set -euo pipefail
source "$(dirname "$0")/reply.sh"

server=${1:-http://127.0.0.1:8000}
question=${2:-Tell me about the sea}
FAILURES_MAX=10

# The token, where the server asks for one. Handed over in a file that is none: arguments can be read by everybody on
# the machine.
credential() {
    [ -z "${COLLOQUY_TOKEN:-}" ] || printf 'Authorization: Bearer %s\n' "$COLLOQUY_TOKEN"
}

# Runs an operation, with its variables in JSON, and prints what comes of it. Further arguments are curl's.
graphql() {
    local query=$1 variables=$2
    shift 2
    jq --null-input --arg query "$query" --argjson variables "$variables" '{$query, $variables}' \
        | curl --silent --show-error --header 'Content-Type: application/json' --header @<(credential) \
            --data @- "$@" "$server/graphql"
}

# The id at a path of an answer. An answer with an error has none there: it is shown instead.
id_at() {
    jq --exit-status --raw-output "$1 // (tostring | stderr | null)"
}

# Waits after a failure, longer each time, and gives up after too many in a row.
failures=0
spend_patience() {
    ((++failures < FAILURES_MAX)) || exit 1
    echo "[trying again]" >&2
    # Of a thousand clients that lost the same server, not all come back at the same moment.
    sleep "$(jq --null-input "([0.1 * pow(2; $failures), 10] | min) * (0.5 + $RANDOM / 65536)")"
}

# One line for each event: its kind, its cursor, and its text or state, escaped so that it stays on the line. What was
# cut in its middle is no JSON, and left out.
events() {
    local variables
    variables=$(jq --null-input --arg id "$1" --arg after "$2" \
        '{$id, after: (if $after == "" then null else $after end)}')
    graphql 'subscription Reply($id: ID!, $after: String) { reply(messageId: $id, after: $after) { __typename
        ... on ReplySnapshot { text cursor } ... on ReplyPartial { text cursor }
        ... on ReplyFinished { cursor message { reply { state } } } } }' \
        "$variables" --no-buffer --header 'Accept: text/event-stream' \
        | jq --unbuffered --raw-input --raw-output '
            select(startswith("data: ")) | .[6:] | fromjson? | (.data.reply // (tostring | stderr | empty))
            | [.__typename, .cursor, .text // .message.reply.state] | @tsv'
}

# Shows a text that grows. A snapshot may have taken back what was shown: then it begins again on a new line.
shown=
show() {
    if [[ $1 == "$shown"* ]]; then
        printf '%s' "${1:${#shown}}"
    else
        printf '\n%s' "$1"
    fi
    shown=$1
}

chat=$(graphql 'mutation CreateChat($input: CreateChatInput!) { createChat(input: $input) { chat { id } } }' \
    '{"input": {"title": "From curl"}}' | id_at .data.createChat.chat.id)

# The key makes it safe to send again what may have arrived.
key=$(uuidgen 2>/dev/null || cat /proc/sys/kernel/random/uuid)
message=$(jq --null-input --arg chatId "$chat" --arg text "$question" --arg clientKey "$key" \
    '{input: {$chatId, $text, $clientKey}}')
until reply=$(graphql 'mutation SendMessage($input: SendMessageInput!) { sendMessage(input: $input) { reply { id } } }' \
    "$message" | id_at .data.sendMessage.reply.id); do
    spend_patience
done

failures=0
while [ -z "$state" ]; do
    while IFS=$'\t' read -r kind place piece; do
        printf -v piece '%b' "$piece"
        apply "$kind" "$place" "$piece"
        show "$text"
        failures=0
    done < <(events "$reply" "$cursor")
    # Only `ReplyFinished` says that the reply has ended, and not that the stream has.
    [ -n "$state" ] || spend_patience
done
echo
echo "[$state]" >&2
