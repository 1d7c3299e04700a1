//! Why a request is refused as invalid, in the documented words: one entry for each fault, in the order of the fields.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Where a value stands in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// In the body.
    Body,
    /// In the query string.
    Query,
    /// In the path.
    Path,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Query => "query",
            Self::Path => "path",
        }
    }
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Complaint {
    /// It is not there.
    Missing,
    /// It is no text.
    StringType,
    /// It is too long a text.
    StringTooLong {
        /// The bound.
        max: usize,
        /// What it counts.
        unit: &'static str,
    },
    /// It is nothing that could be a whole number.
    IntType,
    /// It is a text that is no whole number.
    IntParsing,
    /// It is a number with a fraction.
    IntFromFloat,
    /// It is a smaller number than is taken.
    AtLeast(i64),
    /// It is a greater number than is taken.
    AtMost(i64),
    /// It is nothing that could be a truth value.
    BoolType,
    /// It is a number or text that is no truth value.
    BoolParsing,
    /// It is no id.
    MalformedId,
    /// It is no JSON object.
    NotAnObject,
    /// It is no JSON.
    NotJson {
        /// What a parser of JSON says.
        error: &'static str,
    },
}

impl Complaint {
    fn kind(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::StringType => "string_type",
            Self::StringTooLong { .. } => "string_too_long",
            Self::IntType => "int_type",
            Self::IntParsing => "int_parsing",
            Self::IntFromFloat => "int_from_float",
            Self::AtLeast(_) => "greater_than_equal",
            Self::AtMost(_) => "less_than_equal",
            Self::BoolType => "bool_type",
            Self::BoolParsing => "bool_parsing",
            Self::MalformedId => "value_error",
            Self::NotAnObject => "model_attributes_type",
            Self::NotJson { .. } => "json_invalid",
        }
    }

    fn message(&self) -> String {
        let fixed = match self {
            Self::AtLeast(min) => return format!("Input should be greater than or equal to {min}"),
            Self::AtMost(max) => return format!("Input should be less than or equal to {max}"),
            Self::StringTooLong { max, unit } => return format!("String should have at most {max} {unit}"),
            Self::Missing => "Field required",
            Self::StringType => "Input should be a valid string",
            Self::IntType => "Input should be a valid integer",
            Self::IntParsing => "Input should be a valid integer, unable to parse string as an integer",
            Self::IntFromFloat => "Input should be a valid integer, got a number with a fractional part",
            Self::BoolType => "Input should be a valid boolean",
            Self::BoolParsing => "Input should be a valid boolean, unable to interpret input",
            Self::MalformedId => "Value error, an id is 24 hexadecimal digits",
            Self::NotAnObject => "Input should be a valid dictionary or object to extract fields from",
            Self::NotJson { .. } => "JSON decode error",
        };
        fixed.to_owned()
    }

    fn context(&self) -> Option<Value> {
        match self {
            Self::AtLeast(min) => Some(json!({ "ge": min })),
            Self::AtMost(max) => Some(json!({ "le": max })),
            Self::StringTooLong { max, .. } => Some(json!({ "max_length": max })),
            Self::NotJson { error } => Some(json!({ "error": error })),
            _ => None,
        }
    }
}

/// One fault of a request.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Fault {
    /// What sort of fault it is, for programs.
    #[serde(rename = "type")]
    kind: &'static str,
    /// Where it is: `body`, `query` or `path`, and the name of the field, or the offset in broken JSON.
    #[schema(value_type = Vec<Value>)]
    loc: Vec<Value>,
    /// What sort of fault it is, for people.
    msg: String,
    /// What was sent.
    #[schema(value_type = Value)]
    input: Value,
    /// What the sort of fault leaves open, such as a bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    ctx: Option<Value>,
}

impl Fault {
    /// A fault of one field.
    pub fn of_field(part: Part, field: &str, complaint: &Complaint, input: Value) -> Self {
        Self::at(vec![part.name().into(), field.into()], complaint, input)
    }

    /// A fault of the body as a whole.
    pub fn of_body(complaint: &Complaint, input: Value) -> Self {
        Self::at(vec![Part::Body.name().into()], complaint, input)
    }

    /// A fault of JSON, at an offset in characters.
    pub fn of_json(offset: usize, error: &'static str) -> Self {
        let loc = vec![Part::Body.name().into(), offset.into()];
        Self::at(loc, &Complaint::NotJson { error }, json!({}))
    }

    fn at(loc: Vec<Value>, complaint: &Complaint, input: Value) -> Self {
        Self {
            kind: complaint.kind(),
            loc,
            msg: complaint.message(),
            input,
            ctx: complaint.context(),
        }
    }
}
