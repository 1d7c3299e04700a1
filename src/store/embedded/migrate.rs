//! Brings the tables of a file up to the version that this program reads.

use rusqlite::{Connection, TransactionBehavior};

use super::error::store_error;
use crate::store::StoreError;

/// The step to each version from the one before; `PRAGMA user_version` counts the steps a file has taken. A step
/// that was released never changes.
const STEPS: [&str; 4] = [
    include_str!("migrations/1.sql"),
    include_str!("migrations/2.sql"),
    include_str!("migrations/3.sql"),
    include_str!("migrations/4.sql"),
];

/// The version that [`migrate`] brings a file up to.
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// The version of a file's tables.
pub(super) fn version(connection: &Connection) -> Result<i64, StoreError> {
    let read = connection.pragma_query_value(None, "user_version", |row| row.get(0));
    read.map_err(store_error)
}

/// Takes the steps that are missing, all or none.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(store_error)?;
    let version = version(&transaction)?;
    let taken = usize::try_from(version).ok();
    let missing = taken.and_then(|taken| STEPS.get(taken..)).ok_or_else(|| {
        StoreError::Failed(
            format!(
                "the data is of version {version}, which this program does not know: it knows those up to {}",
                STEPS.len()
            )
            .into(),
        )
    })?;
    for step in missing {
        transaction.execute_batch(step).map_err(store_error)?;
    }
    transaction
        .pragma_update(None, "user_version", VERSION)
        .map_err(store_error)?;
    transaction.commit().map_err(store_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_brought_up_to_date_once_and_a_later_one_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        migrate(&mut connection).unwrap();
        connection
            .pragma_update(None, "user_version", VERSION + 1)
            .unwrap();
        assert!(matches!(migrate(&mut connection), Err(StoreError::Failed(_))));
    }

    /// A folder as version 0.1.0 wrote it, with what can be in it.
    const OF_0_1_0: &str = "
        INSERT INTO chats VALUES (x'aa', 7, NULL, 'one', 'active', 1, 1);
        INSERT INTO chats VALUES (x'bb', '7', NULL, 'two', 'active', 1, 1);
        INSERT INTO messages (id, chat_id, is_bot, kind, is_edited, created_at, updated_at, text, reply_state, model,
            prompt_tokens, prompt_is_estimated, completion_tokens, completion_is_estimated, finished_at) VALUES
            (x'01', x'aa', 0, 'text', 0, 1, 1, 'a question', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
            (x'02', x'aa', 1, 'text', 0, 2, 2, 'an answer', 'COMPLETE', 'm', 10, 0, 1, 0, 86399999),
            (x'03', x'aa', 1, 'text', 0, 3, 3, 'an answer', 'STOPPED', 'm', 20, 0, 2, 0, 3),
            (x'04', x'aa', 1, 'text', 0, 4, 4, 'an answer', 'COMPLETE', 'm', 30, 0, 3, 1, 4),
            (x'05', x'aa', 1, 'text', 0, 5, 5, 'an answer', 'COMPLETE', NULL, 40, 0, 4, 0, 86400000),
            (x'06', x'aa', 1, 'text', 0, 6, -1, 'an answer', 'COMPLETE', NULL, 50, 0, 5, 0, NULL),
            (x'07', x'aa', 1, 'text', 0, 7, 7, 'an answer', 'FAILED', 'm', NULL, NULL, NULL, NULL, 7),
            (x'08', x'aa', 1, 'text', 0, 8, 8, 'an ans', 'STREAMING', 'm', NULL, NULL, NULL, NULL, NULL),
            (x'09', x'bb', 1, 'text', 0, 9, 9, 'an answer', 'COMPLETE', 'm', 9223372036854775807, 0, -6, 0, 9),
            (x'0a', x'bb', 1, 'text', 0, 9, 9, 'an answer', 'COMPLETE', 'm', 9223372036854775807, 0, 6, 0, 9),
            (x'0b', x'cc', 0, 'text', 0, 9, 9, 'of a deleted chat', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
            (x'0c', x'cc', 1, 'text', 0, 9, 9, '', 'STREAMING', NULL, NULL, NULL, NULL, NULL, NULL),
            (x'0d', x'cc', 1, 'text', 0, 9, 9, 'an answer', 'COMPLETE', 'm', 70, 0, 7, 0, 9);
        INSERT INTO revocations VALUES (7, 5);
        PRAGMA user_version = 2;";

    fn column(connection: &Connection, sql: &str) -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map((), |row| row.get(0)).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn what_0_1_0_kept_is_kept_and_its_usage_is_in_the_ledger() {
        let mut connection = Connection::open_in_memory().unwrap();
        for sql in [STEPS[0], STEPS[1], OF_0_1_0] {
            connection.execute_batch(sql).unwrap();
        }
        let kept = "SELECT hex(id) || text FROM messages WHERE id <> x'0c' ORDER BY id";
        let before = column(&connection, kept);
        assert_eq!(before.len(), 12);
        migrate(&mut connection).unwrap();
        assert_eq!(column(&connection, kept), before);
        assert_eq!(
            column(&connection, "SELECT title FROM chats ORDER BY id"),
            ["one", "two"]
        );
        assert_eq!(
            column(&connection, "SELECT CAST(user_id AS TEXT) FROM revocations"),
            ["7"]
        );
        // Nobody can reach the messages of a chat that is gone: they are removed by the next sweeps, and a reply among
        // them at once.
        assert_eq!(column(&connection, "SELECT hex(chat_id) FROM deletions"), ["CC"]);
        assert_eq!(
            column(&connection, "SELECT text FROM messages WHERE id = x'0c'"),
            [""; 0]
        );

        let ledger =
            "SELECT concat_ws(' ', typeof(user_id), day / 86400000, model, is_estimated, reply_count,
                prompt_tokens, completion_tokens)
            FROM usage_ledger ORDER BY user_id, day, model, is_estimated";
        let expected = [
            "integer -1 0 0 1 50 5",
            "integer 0 m 0 2 30 3",
            "integer 0 m 1 1 30 3",
            "integer 1 0 0 1 40 4",
            "text 0 m 0 2 9223372036854775807 6",
        ];
        assert_eq!(column(&connection, ledger), expected);
        migrate(&mut connection).unwrap();
        assert_eq!(column(&connection, ledger), expected);
    }

    #[test]
    fn the_messages_of_0_1_0_are_counted_once_and_their_counts_kept_from_then_on() {
        let mut connection = Connection::open_in_memory().unwrap();
        let tokens =
            "UPDATE messages SET token_count = iif(id = x'03', -9223372036854775807, 9223372036854775807)
             WHERE id IN (x'01', x'02', x'03', x'09');";
        for sql in [STEPS[0], STEPS[1], OF_0_1_0, tokens] {
            connection.execute_batch(sql).unwrap();
        }
        migrate(&mut connection).unwrap();
        let counts = |connection: &Connection| {
            let sql =
                "SELECT concat_ws(' ', hex(chat_id), messages, tokens_high, tokens_low) FROM chat_counts
                 ORDER BY chat_id";
            column(connection, sql)
        };
        let [one, other] = [(1_i64 << 31) - 1, (1 << 32) - 1];
        let greatest = format!("{one} {other}");
        // Of the first chat two greatest, and a smallest: the upper half of that is the smallest there is.
        let of_first = format!("AA 8 {} {}", 2 * one - (1 << 31), 2 * other + 1);
        assert_eq!(counts(&connection), [of_first, format!("BB 2 {greatest}")]);
        let change = "DELETE FROM messages WHERE id IN (x'02', x'03', x'0a');
             UPDATE messages SET token_count = 5 WHERE id = x'01';
             UPDATE messages SET token_count = NULL, text = 'another' WHERE id = x'09';
             INSERT INTO messages (id, chat_id, is_bot, kind, is_edited, created_at, updated_at, text, token_count)
                VALUES (x'10', x'bb', 0, 'text', 0, 1, 1, 'one more', -1), (x'11', x'ee', 0, 'text', 0, 1, 1, '', NULL);
             DELETE FROM messages WHERE chat_id = x'cc';";
        connection.execute_batch(change).unwrap();
        let minus_one = format!("-1 {other}");
        assert_eq!(
            counts(&connection),
            [
                "AA 6 0 5".to_owned(),
                format!("BB 2 {minus_one}"),
                "EE 1 0 0".to_owned()
            ]
        );
    }
}
