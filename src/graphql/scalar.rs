//! The scalars of the schema.

use async_graphql::{Description, InputValueError, InputValueResult, Number, Scalar, ScalarType, Value};

use crate::domain;

/// A user: a 64-bit integer as the documented system numbers them, or text as identity providers issue it. `7` and
/// `"7"` are two users.
#[derive(Description)]
pub struct UserId(pub domain::UserId);

#[Scalar(use_type_description)]
impl ScalarType for UserId {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::Number(number) => match number.as_i64() {
                Some(id) => Ok(Self(domain::UserId::Int(id))),
                None => Err(InputValueError::custom("a numeric user id is a 64-bit integer")),
            },
            Value::String(id) => Ok(Self(domain::UserId::Text(id))),
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn to_value(&self) -> Value {
        match &self.0 {
            domain::UserId::Int(id) => Value::Number(Number::from(*id)),
            domain::UserId::Text(id) => Value::String(id.clone()),
        }
    }
}

/// A moment: RFC 3339 in UTC with milliseconds, such as `2026-01-31T08:45:51.120Z`.
#[derive(Description)]
pub struct DateTime(pub domain::Timestamp);

#[Scalar(use_type_description)]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => match domain::Timestamp::parse_rfc3339(&text) {
                Some(time) => Ok(Self(time)),
                None => Err(InputValueError::custom("a date-time is written as RFC 3339 says")),
            },
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// What a chat is for its owner. `active` and `inactive` are usual; any other text of at most 64 characters is kept
/// as it is.
#[derive(Description)]
pub struct ChatStatus(pub domain::ChatStatus);

#[Scalar(use_type_description)]
impl ScalarType for ChatStatus {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(status) => Ok(Self(domain::ChatStatus(status))),
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.0.clone())
    }
}
