-- Chats that were deleted and of which messages are still stored. Nothing reads these messages any more; they are
-- removed in pieces, and the row here with the last of them.
CREATE TABLE deletions (
    chat_id BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Earlier versions could leave messages behind in a chat that was deleted while it was written in. Nobody can reach
-- them, and a reply among them would be generated again.
INSERT INTO deletions (chat_id)
    SELECT DISTINCT chat_id FROM messages INDEXED BY messages_of_chat WHERE chat_id NOT IN (SELECT id FROM chats);
DELETE FROM messages WHERE reply_state = 'STREAMING' AND chat_id IN (SELECT chat_id FROM deletions);

-- What the replies of each user used, by day, model and kind of figure. Rows are only ever added to, so that edits and
-- deletions change nothing here.
CREATE TABLE usage_ledger (
    user_id           ANY NOT NULL,
    -- The first moment of the day in UTC.
    day               INTEGER NOT NULL,
    -- A text, or the integer 0 where the model is not known: it comes before any text, and is not NULL, because no two
    -- of those are equal in a key.
    model             ANY NOT NULL,
    is_estimated      INTEGER NOT NULL,
    reply_count       INTEGER NOT NULL,
    prompt_tokens     INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    PRIMARY KEY (user_id, day, model, is_estimated)
) STRICT, WITHOUT ROWID;

-- The replies that were entered into the ledger last, so that none is entered twice.
CREATE TABLE ledger_replies (
    number   INTEGER PRIMARY KEY,
    reply_id BLOB NOT NULL UNIQUE
) STRICT;

-- The remainder is taken twice because SQLite's has the sign of the number, and a day before 1970 begins before its
-- moments too. The sums are cast because total() cannot overflow, as sum() can.
INSERT INTO usage_ledger
    SELECT user_id, ended_at - (ended_at % 86400000 + 86400000) % 86400000 AS day, model, is_estimated,
        count(*), CAST(total(prompt_tokens) AS INTEGER), CAST(total(completion_tokens) AS INTEGER)
    FROM (
        SELECT user_id, coalesce(finished_at, messages.updated_at) AS ended_at, coalesce(model, 0) AS model,
            coalesce(prompt_is_estimated, 0) OR coalesce(completion_is_estimated, 0) AS is_estimated,
            max(prompt_tokens, 0) AS prompt_tokens, max(completion_tokens, 0) AS completion_tokens
        FROM messages JOIN chats ON chats.id = chat_id
        WHERE reply_state <> 'STREAMING' AND prompt_tokens IS NOT NULL AND completion_tokens IS NOT NULL
    )
    GROUP BY user_id, day, model, is_estimated;

-- Written by each check that the store can be written.
CREATE TABLE pulse (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    count INTEGER NOT NULL
) STRICT;

INSERT INTO pulse (id, count) VALUES (1, 0);
