//! A reply as the sub-document `reply` of its message. What is not known is left out.

use mongodb::bson::{Bson, Document, RawDocument, doc};

use super::fields::{Fields, stored_date, stored_id, stored_user_id};
use crate::domain::{
    MessageId, Reply, ReplyError, ReplyOutcome, ReplyState, StopRequest, Timestamp, TokenCount, Usage,
};

/// Where the text of a reply stands while it grows, if it was ever stored. Not in `message`, of which the server keeps an
/// index of words: it would make that anew twice a second, out of the whole text.
pub(super) const GROWING_TEXT: &str = "reply.text";

/// Which of its chat's slots a reply under way has. See `turns.rs`.
pub(super) const SLOT: &str = "reply.slot";

/// Whether a reply under way keeps slot 0 because an earlier one waits for it. See `turns.rs`.
pub(super) const GOES_FIRST: &str = "reply.goes_first";

/// A slot as it is stored.
pub(super) fn stored_slot(slot: usize) -> Bson {
    Bson::Int32(i32::try_from(slot).unwrap_or(i32::MAX))
}

/// The slot of a message that is a reply under way.
pub(super) fn slot(message: &RawDocument) -> Option<usize> {
    let reply = under_way(message)?;
    usize::try_from(reply.integer("slot")?).ok()
}

/// Whether a message is a reply under way that keeps slot 0.
pub(super) fn goes_first(message: &RawDocument) -> bool {
    under_way(message).and_then(|reply| reply.flag("goes_first")) == Some(true)
}

fn under_way(message: &RawDocument) -> Option<Fields<'_>> {
    let reply = Fields::of(message).nested("reply")?;
    let is_streaming = reply.text("state") == Some(ReplyState::Streaming.name());
    is_streaming.then_some(reply)
}

/// A reply's sub-document.
pub(super) fn encode_reply(reply: &Reply) -> Document {
    let fields = [
        ("state", Some(reply.state.name().into())),
        ("in_reply_to", reply.in_reply_to.map(|id| stored_id(id.0).into())),
        ("owner", Some(reply.owner.as_str().into())),
        ("lease_until", date(Some(reply.lease_until))),
        ("stop_requested_at", date(reply.stop.as_ref().map(|stop| stop.at))),
        (
            "stop_requested_by",
            reply.stop.as_ref().map(|stop| stored_user_id(&stop.by)),
        ),
        ("regenerates", reply.regenerates.map(|id| stored_id(id.0).into())),
        ("model", reply.model.as_deref().map(Bson::from)),
        ("usage", reply.usage.map(encode_usage)),
        ("started_at", date(reply.started_at)),
        ("first_piece_at", date(reply.first_piece_at)),
        ("upstream_closed_at", date(reply.upstream_closed_at)),
        ("finished_at", date(reply.finished_at)),
        ("overhead_us", reply.overhead_us.map(Bson::from)),
        ("reasoning", reply.reasoning.as_deref().map(Bson::from)),
        ("error", reply.error.as_ref().map(encode_error)),
    ];
    fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

/// Why a reply failed.
pub(super) const ERROR: &str = "reply.error";

/// What the end of a reply makes of its sub-document, by dotted name; `None` removes a field.
pub(super) fn outcome_fields(outcome: &ReplyOutcome) -> [(&'static str, Option<Bson>); 9] {
    [
        ("reply.state", Some(outcome.state.name().into())),
        ("reply.usage", outcome.usage.map(encode_usage)),
        ("reply.started_at", date(outcome.started_at)),
        ("reply.first_piece_at", date(outcome.first_piece_at)),
        ("reply.upstream_closed_at", date(outcome.upstream_closed_at)),
        ("reply.finished_at", date(Some(outcome.finished_at))),
        ("reply.overhead_us", outcome.overhead_us.map(Bson::from)),
        ("reply.reasoning", outcome.reasoning.as_deref().map(Bson::from)),
        (ERROR, outcome.error.as_ref().map(encode_error)),
    ]
}

/// The reply of a sub-document of a message written at `created_at`, or `None` if its state is not one we know.
pub(super) fn read_reply(fields: Fields<'_>, created_at: Timestamp) -> Option<Reply> {
    Some(Reply {
        state: ReplyState::from_name(fields.text("state")?)?,
        in_reply_to: fields.id("in_reply_to").map(MessageId),
        owner: fields.text("owner").unwrap_or_default().to_owned(),
        lease_until: fields.date("lease_until").unwrap_or(created_at),
        stop: match (
            fields.date("stop_requested_at"),
            fields.user_id("stop_requested_by"),
        ) {
            (Some(at), Some(by)) => Some(StopRequest { at, by }),
            _ => None,
        },
        regenerates: fields.id("regenerates").map(MessageId),
        model: fields.text("model").map(str::to_owned),
        usage: fields.nested("usage").and_then(read_usage),
        started_at: fields.date("started_at"),
        first_piece_at: fields.date("first_piece_at"),
        upstream_closed_at: fields.date("upstream_closed_at"),
        finished_at: fields.date("finished_at"),
        overhead_us: fields.integer("overhead_us"),
        reasoning: fields.text("reasoning").map(str::to_owned),
        error: fields.nested("error").and_then(read_error),
    })
}

/// The text so far, of the sub-document of a reply that grows.
pub(super) fn growing_text<'a>(reply: &Fields<'a>) -> Option<&'a str> {
    reply.text("text")
}

fn date(time: Option<Timestamp>) -> Option<Bson> {
    time.map(|time| stored_date(time).into())
}

fn encode_usage(usage: Usage) -> Bson {
    Bson::Document(doc! {
        "prompt_tokens": usage.prompt.tokens,
        "prompt_is_estimated": usage.prompt.is_estimated,
        "completion_tokens": usage.completion.tokens,
        "completion_is_estimated": usage.completion.is_estimated,
    })
}

fn read_usage(fields: Fields<'_>) -> Option<Usage> {
    let count = |tokens, is_estimated| {
        Some(TokenCount {
            tokens: fields.integer(tokens)?,
            is_estimated: fields.flag(is_estimated).unwrap_or_default(),
        })
    };
    Some(Usage {
        prompt: count("prompt_tokens", "prompt_is_estimated")?,
        completion: count("completion_tokens", "completion_is_estimated")?,
    })
}

fn encode_error(error: &ReplyError) -> Bson {
    Bson::Document(doc! { "code": &error.code, "message": &error.message })
}

fn read_error(fields: Fields<'_>) -> Option<ReplyError> {
    Some(ReplyError {
        code: fields.text("code")?.to_owned(),
        message: fields.text("message").unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::RawDocumentBuf;

    #[test]
    fn a_reply_that_ended_reads_back_and_one_of_an_unknown_state_is_none() {
        let time = Timestamp::from_millis(9);
        let tokens = TokenCount {
            tokens: 4,
            is_estimated: true,
        };
        let reply = Reply {
            state: ReplyState::Failed,
            in_reply_to: None,
            owner: "o".to_owned(),
            lease_until: time,
            stop: None,
            regenerates: None,
            model: None,
            usage: Some(Usage {
                prompt: tokens,
                completion: TokenCount {
                    is_estimated: false,
                    ..tokens
                },
            }),
            started_at: Some(time),
            first_piece_at: Some(time),
            upstream_closed_at: Some(time),
            finished_at: Some(time),
            overhead_us: Some(3),
            reasoning: Some("r".to_owned()),
            error: Some(ReplyError {
                code: "C".to_owned(),
                message: "m".to_owned(),
            }),
        };
        let mut document = encode_reply(&reply);
        assert!(!document.contains_key("model"));
        assert_eq!(
            read_reply(Fields::of(&RawDocumentBuf::try_from(&document).unwrap()), time),
            Some(reply)
        );
        document.insert("state", "HALTED");
        assert_eq!(
            read_reply(Fields::of(&RawDocumentBuf::try_from(&document).unwrap()), time),
            None
        );
    }
}
