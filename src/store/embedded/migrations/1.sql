-- Times are milliseconds since the Unix epoch, ids the twelve bytes of an ObjectId. No foreign keys: both engines
-- leave it to the service what belongs to what, so that one conformance suite describes them.

CREATE TABLE chats (
    id          BLOB PRIMARY KEY,
    -- An integer and a text of the same digits are two users; only ANY keeps them apart.
    user_id     ANY NOT NULL,
    document_id BLOB,
    title       TEXT NOT NULL,
    status      TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX chats_of_user ON chats (user_id, updated_at, id);
CREATE INDEX chats_by_creation ON chats (user_id, created_at DESC, id);

CREATE TABLE messages (
    -- Names the row for the full-text index; without it, VACUUM may number the rows anew.
    number                  INTEGER PRIMARY KEY,
    id                      BLOB NOT NULL UNIQUE,
    chat_id                 BLOB NOT NULL,
    is_bot                  INTEGER NOT NULL,
    kind                    TEXT NOT NULL,
    reaction                TEXT,
    token_count             INTEGER,
    token_is_estimated      INTEGER,
    is_edited               INTEGER NOT NULL,
    citation                TEXT,
    created_at              INTEGER NOT NULL,
    updated_at              INTEGER NOT NULL,
    client_key              TEXT,
    reply_id                BLOB,
    reply_state             TEXT,
    in_reply_to             BLOB,
    owner                   TEXT,
    lease_until             INTEGER,
    stop_requested_at       INTEGER,
    stop_requested_by       ANY,
    regenerates             BLOB,
    model                   TEXT,
    prompt_tokens           INTEGER,
    prompt_is_estimated     INTEGER,
    completion_tokens       INTEGER,
    completion_is_estimated INTEGER,
    started_at              INTEGER,
    first_piece_at          INTEGER,
    upstream_closed_at      INTEGER,
    finished_at             INTEGER,
    overhead_us             INTEGER,
    error_code              TEXT,
    error_message           TEXT,
    -- Last, because SQLite walks a long text's overflow pages to reach what lies behind it.
    reasoning               TEXT,
    text                    TEXT NOT NULL
) STRICT;

CREATE INDEX messages_of_chat ON messages (chat_id, created_at, id);
CREATE INDEX tokens_of_chat ON messages (chat_id, token_count) WHERE token_count IS NOT NULL;
CREATE UNIQUE INDEX messages_by_client_key ON messages (chat_id, client_key) WHERE client_key IS NOT NULL;
CREATE INDEX streaming_by_lease ON messages (lease_until) WHERE reply_state = 'STREAMING';
CREATE INDEX streaming_of_chat ON messages (chat_id, created_at, id) WHERE reply_state = 'STREAMING';

-- What can be searched: a reply only once it has ended, for until then its text is rewritten twice a second.
CREATE VIEW searchable_messages AS
    SELECT number, text FROM messages WHERE reply_state IS NOT 'STREAMING';

-- The words of searchable_messages. The categories are those of letters, digits and what is written onto them: without
-- the marks, Hindi words would fall apart at their vowel signs. `_` is of a word as it is in Unicode's rules.
CREATE VIRTUAL TABLE message_words USING fts5 (
    text,
    content = 'searchable_messages',
    content_rowid = 'number',
    columnsize = 0,
    tokenize = "unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc' tokenchars '_'"
);

CREATE TRIGGER message_words_after_insert AFTER INSERT ON messages WHEN new.reply_state IS NOT 'STREAMING'
BEGIN
    INSERT INTO message_words (rowid, text) VALUES (new.number, new.text);
END;

CREATE TRIGGER message_words_after_delete AFTER DELETE ON messages WHEN old.reply_state IS NOT 'STREAMING'
BEGIN
    INSERT INTO message_words (message_words, rowid, text) VALUES ('delete', old.number, old.text);
END;

-- One trigger for both halves, because the order of several is not defined and the old words must go first.
CREATE TRIGGER message_words_after_update AFTER UPDATE OF text, reply_state ON messages
WHEN (old.reply_state IS NOT 'STREAMING' OR new.reply_state IS NOT 'STREAMING')
    AND (old.text IS NOT new.text OR old.reply_state IS NOT new.reply_state)
BEGIN
    INSERT INTO message_words (message_words, rowid, text)
        SELECT 'delete', old.number, old.text WHERE old.reply_state IS NOT 'STREAMING';
    INSERT INTO message_words (rowid, text)
        SELECT new.number, new.text WHERE new.reply_state IS NOT 'STREAMING';
END;
