//! Chats and messages to store.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use colloquy::domain::{
    Author, Chat, ChatId, ChatStatus, ClientKey, Clock, EndState, IdSource, Message, MessageId, ObjectId,
    Reply, ReplyOutcome, Slice, StopRequest, SystemClock, Timestamp, TokenCount, UserId,
};
use colloquy::store::{ACTIVE_REPLIES_MAX, Asking, Exchange, Store, Writing};

static IDS: LazyLock<IdSource> = LazyLock::new(|| {
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).unwrap();
    IdSource::new(Arc::new(SystemClock), seed)
});

/// An id that nobody else has.
pub fn id() -> ObjectId {
    IDS.next()
}

/// Now, as a store keeps it.
pub fn now() -> Timestamp {
    SystemClock.now()
}

/// A moment.
pub fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A chat that nothing is special about.
pub fn chat() -> Chat {
    let now = now();
    Chat {
        id: ChatId(id()),
        user_id: UserId::Int(7),
        document_id: None,
        title: "A chat".to_owned(),
        status: ChatStatus::active(),
        created_at: now,
        updated_at: now,
    }
}

/// [`chat`], stored.
pub async fn stored_chat(store: &dyn Store) -> Chat {
    let chat = chat();
    store.insert_chat(&chat).await.unwrap();
    chat
}

/// All messages of a chat, in its order.
pub async fn all(store: &dyn Store, chat: ChatId) -> Vec<Message> {
    let all = Slice {
        skip: 0,
        limit: 10_000,
    };
    store.message_slice(chat, all).await.unwrap()
}

/// A user's message that nothing is special about.
pub fn message(chat: ChatId) -> Message {
    Message::plain(MessageId(id()), chat, Author::User, "Hello".to_owned(), now())
}

/// A message of a moment.
pub fn message_at(chat: ChatId, millis: i64) -> Message {
    Message {
        created_at: at(millis),
        updated_at: at(millis),
        ..message(chat)
    }
}

/// A bot's message that streams, owned by `owner`.
pub fn streaming(chat: ChatId, owner: &str) -> Message {
    Message {
        author: Author::Bot,
        text: String::new(),
        reply: Some(Reply::begun(owner.to_owned(), now().plus_millis(8_000))),
        ..message(chat)
    }
}

/// A message to write in a chat of anybody's, which moves up.
pub fn writing(message: Message) -> Writing {
    Writing {
        message,
        chat_of: None,
        moves_chat_up: true,
    }
}

/// A prompt and its reply by `owner`, in a chat of anybody's in which as many others may be under way as there can be.
pub fn exchange(chat: ChatId, owner: &str) -> Exchange {
    let mut reply = streaming(chat, owner);
    let prompt = Message {
        reply_id: Some(reply.id),
        ..message(chat)
    };
    reply.reply.as_mut().unwrap().in_reply_to = Some(prompt.id);
    Exchange {
        asking: Asking::New(Box::new(prompt)),
        reply,
        chat_of: None,
        lease: Duration::from_secs(600),
        others_max: ACTIVE_REPLIES_MAX - 1,
    }
}

/// A reply by `owner` to what is stored already, otherwise as [`exchange`].
pub fn reply_to_stored(chat: ChatId, owner: &str) -> Exchange {
    Exchange {
        asking: Asking::Stored,
        reply: streaming(chat, owner),
        ..exchange(chat, owner)
    }
}

/// Every way in which a reply ends.
pub const ENDS: [EndState; 6] = [
    EndState::Complete,
    EndState::Length,
    EndState::Stopped,
    EndState::Truncated,
    EndState::Failed,
    EndState::Interrupted,
];

/// The end of a reply in `state`, with all its text.
pub fn outcome(state: EndState, text: &str) -> ReplyOutcome {
    ReplyOutcome {
        text: Some(text.to_owned()),
        ..ReplyOutcome::bare(state, now())
    }
}

/// A wish to stop.
pub fn stop(millis: i64) -> StopRequest {
    StopRequest {
        at: at(millis),
        by: UserId::Text("somebody".to_owned()),
    }
}

/// A number of tokens that was reported.
pub fn tokens(tokens: i64) -> Option<TokenCount> {
    Some(TokenCount::reported(tokens))
}

/// A client key.
pub fn key(text: &str) -> Option<ClientKey> {
    Some(ClientKey::parse(text).unwrap())
}
