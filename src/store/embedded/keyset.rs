//! Pages by position: the rows of a list between two positions, in either direction, read from an index.

use rusqlite::types::Value;

use crate::domain::{PageRequest, Position, Slice};

/// How a list is ordered: by a column of timestamps, ties broken by id.
#[derive(Clone, Copy)]
pub(super) struct Keyset {
    /// The column of timestamps.
    pub(super) time: &'static str,
    /// Whether the list begins with the greatest.
    pub(super) is_descending: bool,
}

/// Conditions of a statement, with the values of their parameters in order.
#[derive(Default)]
pub(super) struct Conditions {
    sql: Vec<String>,
    values: Vec<Value>,
}

impl Conditions {
    /// Only rows of which `column` is `value`.
    pub(super) fn equal(&mut self, column: &str, value: impl Into<Value>) {
        self.holds(format!("{column} = ?"), value);
    }

    /// Only rows for which `condition`, which has one parameter, holds of `value`.
    pub(super) fn holds(&mut self, condition: impl Into<String>, value: impl Into<Value>) {
        self.sql.push(condition.into());
        self.values.push(value.into());
    }
}

/// A part by number as the values of `LIMIT` and `OFFSET`.
pub(super) fn bounds(slice: Slice) -> [i64; 2] {
    [
        i64::try_from(slice.limit).unwrap_or(i64::MAX),
        i64::try_from(slice.skip).unwrap_or(i64::MAX),
    ]
}

impl Keyset {
    /// The statement for the rows of a list between the bounds of a page in the direction of reading, and the values of
    /// its parameters. `select` ends before `WHERE`. The rows are not bounded in number: who reads stops.
    pub(super) fn statement(
        self,
        select: &str,
        mut conditions: Conditions,
        request: &PageRequest,
    ) -> (String, Vec<Value>) {
        let mut bound = |position: Option<Position>, comparison: &str| {
            if let Some(position) = position {
                conditions
                    .sql
                    .push(format!("({}, id) {comparison} (?, ?)", self.time));
                conditions.values.extend([
                    position.at.millis().into(),
                    Value::Blob(position.id.bytes().to_vec()),
                ]);
            }
        };
        let (later, earlier) = if self.is_descending {
            ("<", ">")
        } else {
            (">", "<")
        };
        bound(request.after, later);
        bound(request.before, earlier);
        let direction = if self.is_descending == request.backward {
            "ASC"
        } else {
            "DESC"
        };
        let Conditions { sql, values } = conditions;
        let sql = format!(
            "{select} WHERE {} ORDER BY {time} {direction}, id {direction}",
            sql.join(" AND "),
            time = self.time,
        );
        (sql, values)
    }
}
