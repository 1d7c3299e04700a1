-- Chats that were deleted, while messages of theirs are left to remove.
CREATE TABLE deleted_chats (
    chat_id BLOB PRIMARY KEY NOT NULL
) STRICT, WITHOUT ROWID;

-- What replies used, by user, day (its first millisecond, in UTC), model ('' where unknown) and kind of figure. Added to
-- when a reply ends, and never changed by what becomes of it.
CREATE TABLE usage_ledger (
    user_id       ANY NOT NULL,
    day           INTEGER NOT NULL,
    model         TEXT NOT NULL,
    is_estimated  INTEGER NOT NULL,
    replies       INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    tokens        INTEGER NOT NULL,
    PRIMARY KEY (user_id, day, model, is_estimated)
) STRICT, WITHOUT ROWID;

-- The remainder is taken twice because SQLite's has the sign of the number, and a day before 1970 begins before its
-- moments too.
INSERT INTO usage_ledger
SELECT user_id, ended - (ended % 86400000 + 86400000) % 86400000 AS day, model, is_estimated,
    count(*), CAST(total(prompt_tokens) AS INTEGER), CAST(total(completion_tokens) AS INTEGER)
FROM (
    SELECT chats.user_id, coalesce(finished_at, messages.created_at) AS ended, coalesce(model, '') AS model,
        coalesce(prompt_is_estimated, 0) OR coalesce(completion_is_estimated, 0) AS is_estimated,
        max(coalesce(prompt_tokens, 0), 0) AS prompt_tokens, max(coalesce(completion_tokens, 0), 0) AS completion_tokens
    FROM messages JOIN chats ON chats.id = messages.chat_id
    WHERE reply_state IS NOT NULL AND reply_state <> 'STREAMING'
)
GROUP BY user_id, day, model, is_estimated;

-- Written to find out whether anything can be written.
CREATE TABLE pulse (
    one INTEGER PRIMARY KEY,
    at  INTEGER NOT NULL
) STRICT;
