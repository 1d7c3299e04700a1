-- Users whose tokens are worth nothing that were issued before a moment.

CREATE TABLE revocations (
    user_id    ANY PRIMARY KEY NOT NULL,
    revoked_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX revocations_by_moment ON revocations (revoked_at);
