//! The token that a message brings.

use serde_json::{Map, Value};

use crate::peer::bearer;

/// The token in the payload of `connection_init` or `ping`: under the name of the HTTP header, in any case, as clients
/// write it, alone or among `headers`. What is there and is none is an empty token, which nobody believes.
pub(super) fn of(payload: Option<&Map<String, Value>>) -> Option<String> {
    let payload = payload?;
    let headers = payload.get("headers").and_then(Value::as_object);
    let named = |map: &Map<String, Value>| {
        let mut found = map
            .iter()
            .filter(|(name, value)| name.eq_ignore_ascii_case("authorization") && !value.is_null());
        let (_, first) = found.next()?;
        // Two are none: it is not ours to choose.
        let is_one = found.next().is_none();
        let token = first.as_str().filter(|_| is_one).map(bearer);
        Some(token.unwrap_or_default().to_owned())
    };
    named(payload).or_else(|| headers.and_then(named))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_token_is_found_where_clients_put_it() {
        let of = |payload: Value| of(payload.as_object());
        for payload in [
            json!({ "authorization": "Bearer abc" }),
            json!({ "Authorization": "bearer abc", "other": 7 }),
            json!({ "headers": { "Authorization": "Bearer abc" } }),
        ] {
            assert_eq!(of(payload).as_deref(), Some("abc"));
        }
        for payload in [
            json!({}),
            json!({ "authorization": null }),
            json!({ "headers": 7 }),
        ] {
            assert_eq!(of(payload), None);
        }
        for payload in [
            json!({ "authorization": 7 }),
            json!({ "authorization": "abc" }),
            json!({ "authorization": "Bearer abc", "Authorization": "Bearer abc" }),
        ] {
            assert_eq!(of(payload).as_deref(), Some(""));
        }
    }
}
