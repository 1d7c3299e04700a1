//! What a value is taken for: as lax as the documented system, which reads `"1"`, `1.0` and `true` as the number 1,
//! and `"yes"` as true.

use serde_json::Value;

use super::fault::Complaint;
use crate::domain::{DocumentId, UserId};

/// A text.
pub fn text(value: &Value) -> Result<String, Complaint> {
    match value {
        Value::String(text) => Ok(text.clone()),
        _ => Err(Complaint::StringType),
    }
}

/// A whole number of 64 bits.
pub fn integer(value: &Value) -> Result<i64, Complaint> {
    match value {
        Value::Bool(flag) => Ok((*flag).into()),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => Ok(number),
            (None, Some(number)) => whole(number),
            (None, None) => Err(Complaint::IntType),
        },
        Value::String(text) => integer_in(text),
        _ => Err(Complaint::IntType),
    }
}

/// A whole number of 64 bits in a text.
pub fn integer_in(text: &str) -> Result<i64, Complaint> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let (sign, digits) = match whole.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", whole.strip_prefix('+').unwrap_or(whole)),
    };
    let is_grouped_well = !digits.starts_with('_') && !digits.ends_with('_') && !digits.contains("__");
    let is_number = !digits.is_empty()
        && is_grouped_well
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
        && fraction.bytes().all(|byte| byte == b'0')
        && (fraction.is_empty() != text.contains('.'));
    if !is_number {
        return Err(Complaint::IntParsing);
    }
    // What is all digits and does not parse is too large.
    format!("{sign}{}", digits.replace('_', ""))
        .parse()
        .map_err(|_| match sign {
            "" => Complaint::AtMost(i64::MAX),
            _ => Complaint::AtLeast(i64::MIN),
        })
}

fn whole(number: f64) -> Result<i64, Complaint> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if number.fract() != 0.0 {
        Err(Complaint::IntFromFloat)
    } else if number >= LIMIT {
        Err(Complaint::AtMost(i64::MAX))
    } else if number < -LIMIT {
        Err(Complaint::AtLeast(i64::MIN))
    } else {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it is whole and within the bounds"
        )]
        Ok(number as i64)
    }
}

/// A truth value.
pub fn flag(value: &Value) -> Result<bool, Complaint> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        Value::Number(number) => match number.as_f64() {
            Some(0.0) => Ok(false),
            Some(1.0) => Ok(true),
            _ => Err(Complaint::BoolParsing),
        },
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "0" | "off" | "f" | "false" | "n" | "no" => Ok(false),
            "1" | "on" | "t" | "true" | "y" | "yes" => Ok(true),
            _ => Err(Complaint::BoolParsing),
        },
        _ => Err(Complaint::BoolType),
    }
}

/// A user: a number where it is one, else a text.
pub fn user_id(value: &Value) -> Result<UserId, Complaint> {
    match value {
        Value::String(text) => user_id_in(text),
        value => integer(value).map(UserId::Int),
    }
}

/// A user in a text.
pub fn user_id_in(text: &str) -> Result<UserId, Complaint> {
    match integer_in(text) {
        Ok(number) => Ok(UserId::Int(number)),
        Err(Complaint::IntParsing) if text.len() > UserId::TEXT_BYTES_MAX => Err(Complaint::StringTooLong {
            max: UserId::TEXT_BYTES_MAX,
            unit: "bytes",
        }),
        Err(Complaint::IntParsing) if !text.is_empty() => Ok(UserId::Text(text.to_owned())),
        Err(complaint) => Err(complaint),
    }
}

/// A document, or nothing if the text is empty.
pub fn document_id(value: &Value) -> Result<Option<DocumentId>, Complaint> {
    match text(value)?.as_str() {
        "" => Ok(None),
        text => DocumentId::parse(text)
            .map(Some)
            .map_err(|_| Complaint::MalformedId),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_come_in_every_documented_form() {
        for (value, expected) in [
            (json!(7), Ok(7)),
            (json!("7"), Ok(7)),
            (json!(" +7 "), Ok(7)),
            (json!("-7"), Ok(-7)),
            (json!("007"), Ok(7)),
            (json!("1_000"), Ok(1000)),
            (json!("7.0"), Ok(7)),
            (json!(7.0), Ok(7)),
            (json!(1e3), Ok(1000)),
            (json!(true), Ok(1)),
            (json!(i64::MIN), Ok(i64::MIN)),
            (json!("9223372036854775807"), Ok(i64::MAX)),
            (json!(7.5), Err(Complaint::IntFromFloat)),
            (json!("7.5"), Err(Complaint::IntParsing)),
            (json!("7."), Err(Complaint::IntParsing)),
            (json!(""), Err(Complaint::IntParsing)),
            (json!("-"), Err(Complaint::IntParsing)),
            (json!("_1"), Err(Complaint::IntParsing)),
            (json!("--1"), Err(Complaint::IntParsing)),
            (json!("७"), Err(Complaint::IntParsing)),
            (json!("x"), Err(Complaint::IntParsing)),
            (json!(null), Err(Complaint::IntType)),
            (json!([1]), Err(Complaint::IntType)),
            (json!(u64::MAX), Err(Complaint::AtMost(i64::MAX))),
            (json!(1e300), Err(Complaint::AtMost(i64::MAX))),
            (json!(-1e300), Err(Complaint::AtLeast(i64::MIN))),
            (json!("9223372036854775808"), Err(Complaint::AtMost(i64::MAX))),
            (json!("-9223372036854775809"), Err(Complaint::AtLeast(i64::MIN))),
        ] {
            assert_eq!(integer(&value), expected, "{value}");
        }
    }

    #[test]
    fn truth_comes_in_every_documented_form() {
        for value in [
            json!(true),
            json!(1),
            json!(1.0),
            json!("yes"),
            json!("ON"),
            json!("t"),
        ] {
            assert_eq!(flag(&value), Ok(true), "{value}");
        }
        for value in [json!(false), json!(0), json!("no"), json!("Off"), json!("0")] {
            assert_eq!(flag(&value), Ok(false), "{value}");
        }
        for value in [json!(2), json!("maybe"), json!("")] {
            assert_eq!(flag(&value), Err(Complaint::BoolParsing), "{value}");
        }
        for value in [json!(null), json!([]), json!({})] {
            assert_eq!(flag(&value), Err(Complaint::BoolType), "{value}");
        }
    }

    #[test]
    fn a_user_is_a_number_where_it_is_one() {
        assert_eq!(user_id(&json!("42")), Ok(UserId::Int(42)));
        assert_eq!(
            user_id(&json!("auth0|42")),
            Ok(UserId::Text("auth0|42".to_owned()))
        );
        assert_eq!(user_id(&json!("")), Err(Complaint::IntParsing));
        assert_eq!(user_id(&json!(1.5)), Err(Complaint::IntFromFloat));
        assert_eq!(
            user_id(&json!("x".repeat(256))),
            Err(Complaint::StringTooLong {
                max: 255,
                unit: "bytes"
            })
        );
    }
}
