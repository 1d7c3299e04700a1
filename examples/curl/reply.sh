# The whole of what a client needs to follow a reply: a snapshot replaces its text, a partial appends to it, the end
# ends it; and it keeps the latest cursor, to subscribe after it when the line breaks.

text=
cursor=
# How it ended, or nothing while there is more to come.
state=

# Applies an event: its kind, its cursor, and its text or state.
apply() {
    case $1 in
        ReplySnapshot) text=$3 ;;
        ReplyPartial) text+=$3 ;;
        ReplyFinished) state=$3 ;;
    esac
    cursor=$2
}
