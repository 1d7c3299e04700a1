-- What the messages of each chat come to, kept by the triggers below: in the transaction of every change, so that it is
-- always exact. A sum of tokens may be past what an integer holds, and then SQLite would make a float of it; the upper
-- and the lower 32 bits of the numbers are summed apart, which are not.
CREATE TABLE chat_counts (
    chat_id     BLOB PRIMARY KEY,
    messages    INTEGER NOT NULL,
    tokens_high INTEGER NOT NULL,
    tokens_low  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Nobody counts the messages of a deleted chat.
INSERT INTO chat_counts
    SELECT chat_id, count(*), coalesce(sum(token_count >> 32), 0), coalesce(sum(token_count & 4294967295), 0)
    FROM messages WHERE chat_id NOT IN (SELECT chat_id FROM deletions) GROUP BY chat_id;

-- Tokens were summed from its keys.
DROP INDEX tokens_of_chat;

CREATE TRIGGER chat_counts_after_insert AFTER INSERT ON messages
BEGIN
    INSERT INTO chat_counts VALUES (
        new.chat_id, 1, coalesce(new.token_count >> 32, 0), coalesce(new.token_count & 4294967295, 0)
    ) ON CONFLICT (chat_id) DO UPDATE SET
        messages = messages + 1,
        tokens_high = tokens_high + excluded.tokens_high,
        tokens_low = tokens_low + excluded.tokens_low;
END;

-- Finds no row where the chat was deleted: that goes with the chat, and its messages later.
CREATE TRIGGER chat_counts_after_delete AFTER DELETE ON messages
BEGIN
    UPDATE chat_counts SET
        messages = messages - 1,
        tokens_high = tokens_high - coalesce(old.token_count >> 32, 0),
        tokens_low = tokens_low - coalesce(old.token_count & 4294967295, 0)
    WHERE chat_id = old.chat_id;
END;

CREATE TRIGGER chat_counts_after_update AFTER UPDATE OF token_count ON messages
WHEN old.token_count IS NOT new.token_count
BEGIN
    UPDATE chat_counts SET
        tokens_high = tokens_high + coalesce(new.token_count >> 32, 0) - coalesce(old.token_count >> 32, 0),
        tokens_low = tokens_low
            + coalesce(new.token_count & 4294967295, 0) - coalesce(old.token_count & 4294967295, 0)
    WHERE chat_id = new.chat_id;
END;
