//! The documented usage example, against the library: a chat is made, written in, listed and reacted to.
//! `cargo run --example documented_usage -- ./data` (a folder, or a `mongodb://` address)

use std::error::Error;
use std::sync::Arc;

use colloquy::app::open_store;
use colloquy::config::StoreConfig;
use colloquy::domain::{
    Author, Chat, ChatChange, ChatFilter, ChatId, ChatStatus, Clock, IdSource, Message, MessageChange,
    MessageFilter, MessageId, PageRequest, SystemClock, TokenCount, UserId,
};

const USER: UserId = UserId::Int(1);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or("./data".to_owned());
    // Collections and indexes are made if they are missing.
    let store = open_store(&StoreConfig::parse(&address)?).await?;
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).map_err(|error| error.to_string())?;
    let ids = IdSource::new(Arc::new(SystemClock), seed);

    let now = SystemClock.now();
    let chat = Chat {
        id: ChatId(ids.next()),
        user_id: USER,
        document_id: None,
        title: "A documented chat".to_owned(),
        status: ChatStatus::active(),
        created_at: now,
        updated_at: now,
    };
    store.insert_chat(&chat).await?;
    println!("chat {}", chat.id);

    let message = |author, text: &str| {
        let (id, now) = (MessageId(ids.next()), SystemClock.now());
        Message {
            token_count: Some(TokenCount::estimate(text)),
            ..Message::plain(id, chat.id, author, text.to_owned(), now)
        }
    };
    let question = message(Author::User, "Hello, how are you?");
    store.insert_message(&question).await?;
    let answer = message(Author::Bot, "I am fine. How can I help you today?");
    store.insert_message(&answer).await?;

    let (every_chat, page) = (ChatFilter::default(), PageRequest::first(20));
    let chats = store.chat_page(&USER, &every_chat, &page).await?;
    println!("{} chats of user {USER}", chats.items.len());

    let like = MessageChange {
        reaction: Some(Some("👍".to_owned())),
        ..MessageChange::default()
    };
    store
        .update_message(chat.id, answer.id, &like, SystemClock.now())
        .await?;
    let edit = MessageChange {
        text: Some("Hello! How are you?".to_owned()),
        is_edited: Some(true),
        ..MessageChange::default()
    };
    store
        .update_message(chat.id, question.id, &edit, SystemClock.now())
        .await?;

    let (everything, page) = (MessageFilter::default(), PageRequest::first(50));
    let mut pages = store.message_pages(&[chat.id], &everything, &page).await?;
    for message in pages.remove(&chat.id).map_or_else(Vec::new, |page| page.items) {
        let who = if message.author.is_bot() { "bot" } else { "user" };
        let reaction = message.reaction.unwrap_or_default();
        println!("{who}: {} {reaction}", message.text);
    }

    let close = ChatChange {
        status: Some(ChatStatus("inactive".to_owned())),
        ..ChatChange::default()
    };
    let closed = store.update_chat(chat.id, &close, SystemClock.now()).await?;
    println!("{}", closed.map_or_else(String::new, |chat| chat.status.0));
    Ok(())
}
