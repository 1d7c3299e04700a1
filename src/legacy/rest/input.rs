//! Bodies and query strings, read field by field so that every fault is told at once.

use axum::body::to_bytes;
use axum::extract::{FromRequest, Query, Request};
use axum::http::{HeaderMap, Uri, header};
use serde_json::error::Category;
use serde_json::{Map, Value};

use super::fault::{Complaint, Fault, Part};
use super::refusal::Refusal;
use super::{Rest, coerce};

/// How a value is taken.
type Coerce<T> = fn(&Value) -> Result<T, Complaint>;

/// The fields of a body or a query string, with the faults that were found in them.
pub struct Fields {
    part: Part,
    values: Map<String, Value>,
    faults: Vec<Fault>,
}

impl Fields {
    /// The fields of a query string; of a name that comes twice the last counts, as documented.
    pub fn of_query(uri: &Uri) -> Self {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri).map(|Query(pairs)| pairs);
        let pairs = pairs.unwrap_or_default().into_iter();
        Self {
            part: Part::Query,
            values: pairs.map(|(name, value)| (name, Value::String(value))).collect(),
            faults: Vec::new(),
        }
    }

    /// The fields of a body, which must be a JSON object.
    pub fn of_body(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        let value = match body.is_empty() {
            true => Value::Null,
            // A page of another site can send every other content type without asking first.
            false if !is_json(headers) => Value::String(String::from_utf8_lossy(body).into_owned()),
            false => serde_json::from_slice(body)
                .map_err(|error| Refusal::Invalid(vec![json_fault(body, &error)]))?,
        };
        match value {
            Value::Object(values) => Ok(Self {
                part: Part::Body,
                values,
                faults: Vec::new(),
            }),
            Value::Null => {
                let fault = Fault::of_body(&Complaint::Missing, Value::Null);
                Err(Refusal::Invalid(vec![fault]))
            }
            other => {
                let fault = Fault::of_body(&Complaint::NotAnObject, other);
                Err(Refusal::Invalid(vec![fault]))
            }
        }
    }

    /// A field's text, if it is one; whatever else it is, no fault is found.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.as_str()
    }

    /// A field that must be there.
    pub fn required<T>(&mut self, name: &'static str, coerce: Coerce<T>) -> Option<T> {
        match self.values.get(name) {
            Some(value) => self.take(name, coerce(value)),
            None => {
                let input = match self.part {
                    Part::Body => Value::Object(self.values.clone()),
                    Part::Query | Part::Path => Value::Null,
                };
                self.faults
                    .push(Fault::of_field(self.part, name, &Complaint::Missing, input));
                None
            }
        }
    }

    /// A field that may be left out, but not be null.
    pub fn given<T>(&mut self, name: &'static str, coerce: Coerce<T>) -> Option<T> {
        let value = self.values.get(name)?;
        self.take(name, coerce(value))
    }

    /// A field that may be left out or null, which are the same.
    pub fn optional<T>(&mut self, name: &'static str, coerce: Coerce<T>) -> Option<T> {
        match self.values.get(name)? {
            Value::Null => None,
            value => self.take(name, coerce(value)),
        }
    }

    /// A whole number from `min` to `max` that may be left out.
    pub fn bounded(&mut self, name: &'static str, min: i64, max: i64) -> Option<i64> {
        let coerced = coerce::integer(self.values.get(name)?).and_then(|number| match number {
            number if number < min => Err(Complaint::AtLeast(min)),
            number if number > max => Err(Complaint::AtMost(max)),
            number => Ok(number),
        });
        self.take(name, coerced)
    }

    /// `value`, unless a fault was found in any field or a required one was not there.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Refusal> {
        match value {
            Some(value) if self.faults.is_empty() => Ok(value),
            _ => Err(Refusal::Invalid(self.faults)),
        }
    }

    fn take<T>(&mut self, name: &'static str, coerced: Result<T, Complaint>) -> Option<T> {
        match coerced {
            Ok(value) => Some(value),
            Err(complaint) => {
                let input = self.values.get(name).cloned().unwrap_or_default();
                self.faults
                    .push(Fault::of_field(self.part, name, &complaint, input));
                None
            }
        }
    }
}

/// A JSON object as the body.
impl FromRequest<Rest> for Fields {
    type Rejection = Refusal;

    async fn from_request(request: Request, rest: &Rest) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let bytes_max = rest.service.limits().body_bytes_max;
        let body = to_bytes(body, bytes_max).await.map_err(|_| Refusal::TooLarge)?;
        Self::of_body(&parts.headers, &body)
    }
}

/// Whether the body says that it is JSON. One that says nothing is taken for it, as documented scripts need, unless a
/// page sends it: a browser can be made to say nothing, but not to conceal that there is a page.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else {
        return !headers.contains_key(header::ORIGIN);
    };
    let kind = kind.to_str().unwrap_or_default();
    let kind = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// Where JSON is broken, in characters from the beginning, and how, in the documented words.
fn json_fault(body: &[u8], error: &serde_json::Error) -> Fault {
    let lines = error.line().saturating_sub(1);
    let mut start = 0;
    for _ in 0..lines {
        let rest = body.get(start..).unwrap_or_default();
        start += rest
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
    }
    // The column counts the byte that is wrong; at the end there is none.
    let behind = if error.classify() == Category::Eof { 0 } else { 1 };
    let offset = start + error.column().saturating_sub(behind);
    let before = String::from_utf8_lossy(body.get(..offset).unwrap_or(body));
    Fault::of_json(before.chars().count(), documented(error, &before))
}

/// The nearest of what the documented system says of broken JSON.
fn documented(error: &serde_json::Error, before: &str) -> &'static str {
    let text = error.to_string();
    let is_within_object = text.starts_with("EOF while parsing an object");
    if is_within_object || text.starts_with("EOF while parsing a list") {
        return match before.trim_end().chars().next_back() {
            Some('{') => "Expecting property name enclosed in double quotes",
            Some(',') if is_within_object => "Expecting property name enclosed in double quotes",
            Some(',' | '[' | ':') => "Expecting value",
            _ => "Expecting ',' delimiter",
        };
    }
    let known = [
        ("trailing characters", "Extra data"),
        ("EOF while parsing a string", "Unterminated string starting at"),
        (
            "key must be a string",
            "Expecting property name enclosed in double quotes",
        ),
        (
            "trailing comma",
            "Expecting property name enclosed in double quotes",
        ),
        ("expected `:`", "Expecting ':' delimiter"),
        ("expected `,`", "Expecting ',' delimiter"),
        ("control character", "Invalid control character at"),
        ("invalid escape", "Invalid \\escape"),
        ("lone", "Invalid \\uXXXX escape"),
        ("unexpected end of hex escape", "Invalid \\uXXXX escape"),
    ];
    known
        .into_iter()
        .find_map(|(ours, theirs)| text.starts_with(ours).then_some(theirs))
        .unwrap_or("Expecting value")
}
