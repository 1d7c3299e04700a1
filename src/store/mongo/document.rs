//! Chats and messages as documents. Both are written as documented: every documented field in its documented order,
//! optional ones as null. A message carries what Colloquy adds in `client_key`, `reply_id`, `reply` and
//! `token_is_estimated`, each left out when there is nothing to say; so is `citation`, which only late documented
//! systems knew.

use mongodb::bson::{Bson, Document, RawDocument, RawDocumentBuf, doc};

use super::fields::{Fields, minted_at, stored_date, stored_id, stored_integer, stored_user_id};
use super::reply_document::{encode_reply, growing_text, read_reply};
use crate::domain::{
    Author, Chat, ChatId, ChatStatus, ClientKey, DocumentId, Message, MessageId, TokenCount,
};
use crate::store::StoreError;

/// A chat's document.
pub(super) fn encode_chat(chat: &Chat) -> Document {
    doc! {
        "_id": stored_id(chat.id.0),
        "user_id": stored_user_id(&chat.user_id),
        "document_id": chat.document_id.map(|id| stored_id(id.0)),
        "training_doc_id": Bson::Null,
        "title": &chat.title,
        "status": &chat.status.0,
        "created_at": stored_date(chat.created_at),
        "updated_at": stored_date(chat.updated_at),
    }
}

/// The chat of a document, or `None` if the document lacks a usable `_id` or `user_id`.
pub(super) fn read_chat(document: &RawDocument) -> Option<Chat> {
    let fields = Fields::of(document);
    let id = fields.id("_id")?;
    Some(Chat {
        id: ChatId(id),
        user_id: fields.user_id("user_id")?,
        document_id: fields.id_or_digits("document_id").map(DocumentId),
        title: fields.text("title").unwrap_or_default().to_owned(),
        status: ChatStatus(fields.text("status").unwrap_or(ChatStatus::ACTIVE).to_owned()),
        created_at: fields.date("created_at").unwrap_or_else(|| minted_at(id)),
        updated_at: fields.date("updated_at").unwrap_or_else(|| minted_at(id)),
    })
}

/// A message's document.
pub(super) fn encode_message(message: &Message) -> Document {
    let mut document = doc! {
        "_id": stored_id(message.id.0),
        "chat_id": stored_id(message.chat_id.0),
        "message": &message.text,
        "is_bot": message.author.is_bot(),
        "reaction": message.reaction.as_deref(),
        "token": message.token_count.map(|count| stored_integer(count.tokens)),
        "type": &message.kind,
        "is_edited": message.is_edited,
        "training_doc_id": Bson::Null,
        "created_ts": stored_date(message.created_at),
        "updated_ts": stored_date(message.updated_at),
    };
    if let Some(citation) = &message.citation {
        document.insert("citation", citation);
    }
    if message.token_count.is_some_and(|count| count.is_estimated) {
        document.insert("token_is_estimated", true);
    }
    if let Some(key) = &message.client_key {
        document.insert("client_key", key.as_str());
    }
    if let Some(reply_id) = message.reply_id {
        document.insert("reply_id", stored_id(reply_id.0));
    }
    if let Some(reply) = &message.reply {
        document.insert("reply", encode_reply(reply));
    }
    document
}

/// The message of a document, or `None` if the document lacks a usable `_id` or `chat_id`.
pub(super) fn read_message(document: &RawDocument) -> Option<Message> {
    let fields = Fields::of(document);
    let id = fields.id("_id")?;
    let created_at = fields.date("created_ts").unwrap_or_else(|| minted_at(id));
    let reply = fields.nested("reply");
    let growing = reply.as_ref().and_then(growing_text);
    Some(Message {
        id: MessageId(id),
        chat_id: ChatId(fields.id("chat_id")?),
        author: Author::from_is_bot(fields.flag("is_bot").unwrap_or_default()),
        text: growing
            .or_else(|| fields.text("message"))
            .unwrap_or_default()
            .to_owned(),
        kind: fields.text("type").unwrap_or(Message::TEXT).to_owned(),
        reaction: fields.text("reaction").map(str::to_owned),
        token_count: fields.integer_or_digits("token").map(|tokens| TokenCount {
            tokens,
            is_estimated: fields.flag("token_is_estimated").unwrap_or_default(),
        }),
        is_edited: fields.flag("is_edited").unwrap_or_default(),
        citation: fields.text("citation").map(str::to_owned),
        created_at,
        updated_at: fields.date("updated_ts").unwrap_or_else(|| minted_at(id)),
        client_key: fields.text("client_key").and_then(ClientKey::parse),
        reply_id: fields.id("reply_id").map(MessageId),
        reply: reply.and_then(|reply| read_reply(reply, created_at)),
    })
}

/// Reads one document that was asked for by itself.
pub(super) fn read_one<T>(
    document: Option<RawDocumentBuf>,
    read: fn(&RawDocument) -> Option<T>,
) -> Result<Option<T>, StoreError> {
    document.map(|document| read_whole(&document, read)).transpose()
}

/// Reads a document, or says that it cannot be read.
pub(super) fn read_whole<T>(
    document: &RawDocument,
    read: fn(&RawDocument) -> Option<T>,
) -> Result<T, StoreError> {
    read(document).ok_or_else(|| StoreError::Corrupt(unreadable(document).into()))
}

/// Reads the documents of a list, leaving out those that cannot be read: one damaged document must not hide the rest.
pub(super) fn read_list<T>(documents: Vec<RawDocumentBuf>, read: fn(&RawDocument) -> Option<T>) -> Vec<T> {
    let read_or_warn = |document: RawDocumentBuf| {
        let item = read(&document);
        if item.is_none() {
            tracing::warn!("left out of a list: {}", unreadable(&document));
        }
        item
    };
    documents.into_iter().filter_map(read_or_warn).collect()
}

/// Names a document that cannot be read, and nothing of what is in it.
fn unreadable(document: &RawDocument) -> String {
    match Fields::of(document).id("_id") {
        Some(id) => format!("document {id} names no usable chat or user"),
        None => "a document whose _id is not an ObjectId".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ObjectId, Reply, ReplyState, StopRequest, Timestamp, UserId};

    const ID: ObjectId = ObjectId::from_bytes([0, 0, 0, 7, 5, 5, 5, 5, 5, 5, 5, 5]);

    fn raw(document: Document) -> RawDocumentBuf {
        RawDocumentBuf::try_from(&document).unwrap()
    }

    fn message() -> Message {
        read_message(&raw(doc! { "_id": stored_id(ID), "chat_id": stored_id(ID) })).unwrap()
    }

    #[test]
    fn a_chat_is_written_in_documented_order_with_documented_types_and_reads_back() {
        let time = Timestamp::from_millis(1_234);
        let chat = Chat {
            id: ChatId(ID),
            user_id: UserId::Int(7),
            document_id: None,
            title: "t".to_owned(),
            status: ChatStatus::active(),
            created_at: time,
            updated_at: time,
        };
        let document = encode_chat(&chat);
        let names: Vec<_> = document.keys().map(String::as_str).collect();
        let documented = [
            "_id",
            "user_id",
            "document_id",
            "training_doc_id",
            "title",
            "status",
            "created_at",
            "updated_at",
        ];
        assert_eq!(names, documented);
        assert_eq!(document.get("user_id"), Some(&Bson::Int32(7)));
        assert_eq!(document.get("document_id"), Some(&Bson::Null));
        assert_eq!(read_chat(&raw(document)), Some(chat));
    }

    #[test]
    fn a_bare_message_reads_with_every_default() {
        let message = message();
        assert_eq!((message.text.as_str(), message.kind.as_str()), ("", "text"));
        assert_eq!((message.author, message.is_edited), (Author::User, false));
        assert_eq!(message.created_at, Timestamp::from_millis(7_000));
        assert_eq!(message.updated_at, Timestamp::from_millis(7_000));
        assert_eq!(
            (message.reaction, message.token_count, message.reply),
            (None, None, None)
        );
    }

    #[test]
    fn a_message_reads_back_with_all_that_colloquy_adds() {
        let time = Timestamp::from_millis(-5);
        let reply = Reply {
            state: ReplyState::Streaming,
            in_reply_to: Some(MessageId(ID)),
            owner: "o".to_owned(),
            lease_until: time,
            stop: Some(StopRequest {
                at: time,
                by: UserId::Text("u".to_owned()),
            }),
            regenerates: Some(MessageId(ID)),
            model: Some("m".to_owned()),
            usage: None,
            started_at: Some(time),
            first_piece_at: None,
            upstream_closed_at: Some(time),
            finished_at: None,
            overhead_us: Some(1 << 40),
            reasoning: Some("r".to_owned()),
            error: None,
        };
        let message = Message {
            token_count: Some(TokenCount {
                tokens: 1 << 40,
                is_estimated: true,
            }),
            reaction: Some("👍".to_owned()),
            citation: Some("document + ai".to_owned()),
            client_key: ClientKey::parse("k"),
            reply_id: Some(MessageId(ID)),
            reply: Some(reply),
            ..message()
        };
        assert_eq!(read_message(&raw(encode_message(&message))), Some(message));
    }

    #[test]
    fn every_documented_variant_of_a_field_reads() {
        let token = |token: Bson| {
            let document =
                doc! { "_id": stored_id(ID), "chat_id": stored_id(ID), "type": null, "token": token };
            read_message(&raw(document))
                .unwrap()
                .token_count
                .map(|count| count.tokens)
        };
        for (stored, read) in [
            (Bson::Int32(3), Some(3)),
            (Bson::Int64(3), Some(3)),
            (Bson::Double(3.0), Some(3)),
            (Bson::Double(3.5), None),
            ("3".into(), Some(3)),
            ("three".into(), None),
            ("".into(), None),
            (Bson::Null, None),
        ] {
            assert_eq!(token(stored.clone()), read, "{stored}");
        }
        let chat = |user: Bson, about: Bson| {
            read_chat(&raw(
                doc! { "_id": stored_id(ID), "user_id": user, "document_id": about, "citation": "x" },
            ))
        };
        assert_eq!(chat(Bson::Int64(7), "".into()).unwrap().document_id, None);
        assert_eq!(
            chat("7".into(), ID.to_string().into()).unwrap().document_id,
            Some(DocumentId(ID))
        );
        assert_eq!(
            chat("7".into(), Bson::Null).unwrap().user_id,
            UserId::Text("7".to_owned())
        );
        assert_eq!(
            chat(Bson::Double(7.0), Bson::Null).unwrap().user_id,
            UserId::Int(7)
        );
        assert_eq!(chat(Bson::Null, Bson::Null), None);
    }

    #[test]
    fn a_damaged_document_is_left_out_of_a_list_and_an_error_alone() {
        let damaged = raw(doc! { "_id": stored_id(ID), "chat_id": 7 });
        assert_eq!(
            read_list(
                vec![damaged.clone(), raw(encode_message(&message()))],
                read_message
            ),
            [message()]
        );
        assert!(matches!(
            read_one(Some(damaged), read_message),
            Err(StoreError::Corrupt(_))
        ));
    }
}
