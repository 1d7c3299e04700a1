//! The three stores answer random sequences of calls alike. Moments and leases that a store's own clock decides are not
//! compared; the order of messages is.

use std::time::Duration;

use colloquy::domain::{
    Author, Bill, Chat, ChatChange, ChatFilter, ChatId, Message, MessageChange, MessageFilter, MessageId,
    ObjectId, Page, PageRequest, Position, Reply, ReplyOutcome, SearchScope, SearchWords, Slice, StopRequest,
    Timestamp, TokenCount, Usage, UserId,
};
use colloquy::store::{
    ACTIVE_REPLIES_MAX, Asking, Before, Begun, Claim, Exchange, HistoryBounds, Inserted, Store, StoreError,
    Writing, Written,
};

use crate::support::make;
use crate::support::random::Random;
use crate::support::scratch::Scratch;

const SEEDS: u64 = 8;
/// When the calls begin: ahead of every clock, since no store gives out moments far behind its own.
const BEGIN_MS: i64 = 2_000_000_000_000;
const CALLS: usize = 120;
const CHATS: u8 = 3;
const OWNERS: [&str; 2] = ["us", "them"];
const WORDS: [&str; 4] = ["sea", "ship", "wave", "शब्द"];

/// Answers that come up in some seed, or the calls are not worth much.
const KINDS: [&str; 9] = [
    "Begun",
    "Joined",
    "KeyReused",
    "Full",
    "NoChat",
    "New",
    "Existing",
    "Held",
    "an error",
];

/// One call of a store. Messages and chats are named by their ids, and places in a list by the message there.
#[derive(Clone, Debug)]
enum Call {
    Chats,
    ChatPage(ChatFilter, Request),
    ChatSlice(Slice),
    UpdateChat(ChatId, ChatChange, Timestamp),
    DeleteChat(ChatId),
    Write(Writing),
    Insert(Message),
    OfKey(ChatId, &'static str),
    Messages,
    MessagePages(MessageFilter, Request),
    MessageSlice(ChatId, Slice),
    LastAndCounts,
    UpdateMessage(ChatId, MessageId, MessageChange, Timestamp),
    DeleteMessage(ChatId, MessageId),
    Begin(Box<Exchange>),
    BeforeReply(ChatId, MessageId, MessageId),
    Checkpoint(ChatId, MessageId, &'static str, String, Duration),
    Stop(ChatId, MessageId, StopRequest),
    Finish(ChatId, MessageId, Claim<'static>, ReplyOutcome, Option<Bill>),
    Claimable(Claim<'static>, usize),
    Remove(ChatId, MessageId, Claim<'static>),
    Active,
    Search(SearchScope, &'static str),
    Usage,
}

/// A page, between the places of two messages or chats.
#[derive(Clone, Copy, Debug)]
struct Request {
    size: usize,
    backward: bool,
    after: Option<ObjectId>,
    before: Option<ObjectId>,
}

/// What was written so far, and what it is drawn from.
struct Drawing {
    random: Random,
    seed: u64,
    ids: u32,
    /// The moment of the next call.
    now: i64,
    chats: Vec<ChatId>,
    /// Those that are not deleted.
    live_chats: Vec<ChatId>,
    messages: Vec<(ChatId, MessageId)>,
    writings: Vec<Writing>,
    exchanges: Vec<Exchange>,
}

fn user() -> UserId {
    UserId::Int(7)
}

fn chat_of(seed: u64, n: u8) -> Chat {
    let mut id = [n; 12];
    id[..8].copy_from_slice(&seed.to_be_bytes());
    Chat {
        id: ChatId(ObjectId::from_bytes(id)),
        user_id: user(),
        created_at: make::at(BEGIN_MS),
        updated_at: make::at(BEGIN_MS + i64::from(n)),
        ..make::chat()
    }
}

impl Drawing {
    fn new(seed: u64) -> Self {
        let chats: Vec<_> = (0..CHATS).map(|n| chat_of(seed, n).id).collect();
        Self {
            random: Random(seed),
            seed,
            ids: 0,
            now: BEGIN_MS + 1_000,
            live_chats: chats.clone(),
            chats,
            messages: Vec::new(),
            writings: Vec::new(),
            exchanges: Vec::new(),
        }
    }

    /// An id that no call has used, in no order.
    fn new_id(&mut self) -> MessageId {
        self.ids += 1;
        let mut id = [self.random.byte(); 12];
        id[1..9].copy_from_slice(&self.seed.to_be_bytes());
        id[9..].copy_from_slice(&self.ids.to_be_bytes()[1..]);
        MessageId(ObjectId::from_bytes(id))
    }

    fn flag(&mut self) -> bool {
        self.random.below(2) == 0
    }

    fn moment(&mut self) -> Timestamp {
        // Some come in one millisecond, and some clocks are behind.
        make::at(self.now - i64::from(self.random.of(&[0_u8, 0, 0, 50])))
    }

    fn chat(&mut self) -> ChatId {
        let chats = self.chats.clone();
        self.random.of(&chats)
    }

    /// A message that was written, most of the time.
    fn message(&mut self) -> (ChatId, MessageId) {
        match self.messages.len() {
            0 => (self.chat(), self.new_id()),
            _ if self.random.below(20) == 0 => (self.chat(), self.new_id()),
            count => self.messages[count - 1 - self.random.below(count.min(12))],
        }
    }

    fn reply(&mut self) -> (ChatId, MessageId) {
        match self.exchanges.len() {
            0 => self.message(),
            _ if self.random.below(8) == 0 => self.message(),
            count => {
                let reply = &self.exchanges[count - 1 - self.random.below(count.min(8))].reply;
                (reply.chat_id, reply.id)
            }
        }
    }

    fn key(&mut self) -> &'static str {
        self.random.of(&["one", "two", "three"])
    }

    fn claim(&mut self) -> Claim<'static> {
        let owner = self.random.of(&OWNERS);
        self.random.of(&[
            Claim::Owner(owner),
            Claim::Lapsed,
            Claim::Alone,
            Claim::Owner("us"),
        ])
    }

    /// Leases differ by seconds, so that their order does not hang on a store's clock.
    fn lease(&mut self) -> Duration {
        self.ids += 1;
        Duration::from_secs(1_000 + 10 * u64::from(self.ids * 7_919 % 997))
    }

    fn text(&mut self) -> String {
        let count = 1 + self.random.below(3);
        let words: Vec<_> = (0..count).map(|_| self.random.of(&WORDS)).collect();
        words.join(" ")
    }

    fn new_message(&mut self, chat: ChatId) -> Message {
        let moment = self.moment();
        let message = Message {
            id: self.new_id(),
            text: self.text(),
            kind: self.random.of(&["text", "image"]).to_owned(),
            token_count: make::tokens(self.random.below(100) as i64).filter(|_| self.flag()),
            client_key: make::key(self.key()).filter(|_| self.random.below(4) == 0),
            created_at: moment,
            updated_at: moment,
            ..make::message(chat)
        };
        self.messages.push((chat, message.id));
        message
    }

    /// A bot's message, streaming.
    fn new_reply(&mut self, chat: ChatId) -> Message {
        let (owner, lapsed) = (self.random.of(&OWNERS), self.flag());
        let ids = i64::from(self.ids);
        // Long ago, or in many years.
        let lease_until = make::at(if lapsed { ids } else { 4_000_000_000_000 + ids });
        Message {
            author: Author::Bot,
            text: String::new(),
            token_count: None,
            client_key: None,
            reply: Some(Reply::begun(owner.to_owned(), lease_until)),
            ..self.new_message(chat)
        }
    }

    fn request(&mut self, places: &[ObjectId]) -> Request {
        let mut place = || match places.len() {
            0 => None,
            count if self.random.below(2) == 0 => Some(places[self.random.below(count)]),
            _ => None,
        };
        let (after, before) = (place(), place());
        Request {
            size: 1 + self.random.below(5),
            backward: self.flag(),
            after,
            before,
        }
    }

    fn writing(&mut self) -> Writing {
        let count = self.writings.len();
        if count > 0 && self.random.below(3) == 0 {
            // The same call once more, or another one with the same key and content.
            let mut writing = self.writings[count - 1 - self.random.below(count.min(4))].clone();
            if self.flag() {
                writing.message.id = self.new_id();
                self.messages.push((writing.message.chat_id, writing.message.id));
            }
            return writing;
        }
        let chat = self.chat();
        let message = Message {
            client_key: make::key(self.key()).filter(|_| self.flag()),
            ..self.new_message(chat)
        };
        let writing = Writing {
            message,
            chat_of: self.random.of(&[None, Some(7), Some(8)]).map(UserId::Int),
            moves_chat_up: self.flag(),
        };
        self.writings.push(writing.clone());
        writing
    }

    fn exchange(&mut self) -> Exchange {
        let count = self.exchanges.len();
        if count > 0 && self.random.below(3) == 0 {
            let at = count - 1 - self.random.below(count.min(4));
            return self.again(self.exchanges[at].clone());
        }
        let chat = self.chat();
        let mut reply = self.new_reply(chat);
        let asking = match self.flag() {
            true => {
                let prompt = Message {
                    reply_id: Some(reply.id),
                    client_key: make::key(self.key()).filter(|_| self.flag()),
                    ..self.new_message(chat)
                };
                if let Some(reply) = &mut reply.reply {
                    reply.in_reply_to = Some(prompt.id);
                }
                Asking::New(Box::new(prompt))
            }
            false => {
                reply.client_key = make::key(self.key()).filter(|_| self.flag());
                Asking::Stored
            }
        };
        let exchange = Exchange {
            asking,
            reply,
            chat_of: self
                .random
                .of(&[None, Some(7), Some(7), Some(8)])
                .map(UserId::Int),
            lease: self.lease(),
            others_max: self
                .random
                .of(&[ACTIVE_REPLIES_MAX - 1, ACTIVE_REPLIES_MAX - 1, 2, 0]),
        };
        self.exchanges.push(exchange.clone());
        exchange
    }

    /// The same call once more; another owner's with the same ids, which only a key makes the same; or another one with
    /// the same key and content.
    fn again(&mut self, mut exchange: Exchange) -> Exchange {
        match self.random.below(3) {
            0 => {}
            1 => {
                if let Some(reply) = &mut exchange.reply.reply {
                    "another".clone_into(&mut reply.owner);
                }
            }
            _ => {
                let (prompt_id, chat) = (self.new_id(), exchange.reply.chat_id);
                exchange.reply.id = self.new_id();
                if let Asking::New(prompt) = &mut exchange.asking {
                    (prompt.id, prompt.reply_id) = (prompt_id, Some(exchange.reply.id));
                    self.messages.push((chat, prompt_id));
                    if let Some(reply) = &mut exchange.reply.reply {
                        reply.in_reply_to = Some(prompt_id);
                    }
                }
                self.messages.push((chat, exchange.reply.id));
                self.exchanges.push(exchange.clone());
            }
        }
        exchange
    }

    fn outcome(&mut self) -> ReplyOutcome {
        let text = Some(self.text()).filter(|_| self.flag());
        ReplyOutcome {
            text,
            stop: Some(make::stop(self.now)).filter(|_| self.random.below(4) == 0),
            usage: Some(usage(self.random.below(50) as i64)).filter(|_| self.flag()),
            ..ReplyOutcome::bare(self.random.of(&make::ENDS), make::at(self.now))
        }
    }

    fn bill(&mut self) -> Bill {
        Bill {
            user: user(),
            at: make::at(self.now),
            model: Some(self.random.of(&["m-1", "m-2"]).to_owned()),
            usage: usage(self.random.below(50) as i64),
        }
    }

    fn call(&mut self) -> Call {
        self.now += self.random.of(&[0, 1, 40, 900]);
        let now = make::at(self.now);
        match self.random.below(40) {
            0 => Call::Chats,
            1 => {
                let places: Vec<_> = self.chats.iter().map(|chat| chat.0).collect();
                Call::ChatPage(ChatFilter::default(), self.request(&places))
            }
            2 => Call::ChatSlice(self.slice()),
            3 => {
                let title = Some(self.text()).filter(|_| self.flag());
                Call::UpdateChat(self.chat(), ChatChange { title, status: None }, now)
            }
            4 if self.random.below(3) == 0 => {
                let chat = self.chat();
                self.live_chats.retain(|live| *live != chat);
                Call::DeleteChat(chat)
            }
            5..=9 => Call::Write(self.writing()),
            // Nobody asks whether there is such a chat: what is stored in one that is gone goes at some later time.
            10 | 11 if self.live_chats.is_empty() => Call::Chats,
            kind @ (10 | 11) => {
                let chats = self.live_chats.clone();
                let chat = self.random.of(&chats);
                Call::Insert(match kind {
                    10 => self.new_message(chat),
                    _ => self.new_reply(chat),
                })
            }
            12 => Call::OfKey(self.chat(), self.key()),
            13 => Call::Messages,
            14 | 15 => {
                let places: Vec<_> = self.messages.iter().map(|(_, id)| id.0).collect();
                let filter = MessageFilter {
                    author: self.random.of(&[None, Some(Author::User), Some(Author::Bot)]),
                    kind: Some("text".to_owned()).filter(|_| self.random.below(3) == 0),
                };
                Call::MessagePages(filter, self.request(&places))
            }
            16 => Call::MessageSlice(self.chat(), self.slice()),
            17 => Call::LastAndCounts,
            18 | 19 => {
                let (chat, id) = self.message();
                let change = MessageChange {
                    text: Some(self.text()).filter(|_| self.flag()),
                    token_count: make::tokens(5).filter(|_| self.flag()),
                    is_edited: Some(true).filter(|_| self.flag()),
                    reaction: Some(Some("👍".to_owned()).filter(|_| self.flag())).filter(|_| self.flag()),
                };
                Call::UpdateMessage(chat, id, change, now)
            }
            20 => {
                let (chat, id) = self.message();
                Call::DeleteMessage(chat, id)
            }
            21..=26 => Call::Begin(Box::new(self.exchange())),
            27 => {
                let ((chat, id), (_, until)) = (self.reply(), self.message());
                Call::BeforeReply(chat, id, until)
            }
            28 | 29 => {
                let (chat, id) = self.reply();
                Call::Checkpoint(chat, id, self.random.of(&OWNERS), self.text(), self.lease())
            }
            30 => {
                let (chat, id) = self.reply();
                Call::Stop(chat, id, make::stop(self.now))
            }
            31..=34 => {
                let ((chat, id), claim, outcome) = (self.reply(), self.claim(), self.outcome());
                let bill = Some(self.bill()).filter(|_| self.flag());
                Call::Finish(chat, id, claim, outcome, bill)
            }
            35 => Call::Claimable(self.claim(), self.random.below(5)),
            36 => {
                let (chat, id) = self.reply();
                Call::Remove(chat, id, self.claim())
            }
            37 => Call::Active,
            38 => {
                let chat = self.chat();
                let scope = [SearchScope::User(user()), SearchScope::Chat(chat)];
                Call::Search(scope[self.random.below(2)].clone(), self.random.of(&WORDS))
            }
            _ => Call::Usage,
        }
    }

    fn slice(&mut self) -> Slice {
        Slice {
            skip: self.random.below(4) as u64,
            limit: 1 + self.random.below(5),
        }
    }
}

fn usage(tokens: i64) -> Usage {
    Usage {
        prompt: TokenCount::reported(tokens),
        completion: TokenCount::reported(2 * tokens),
    }
}

/// A message without what may differ from store to store.
fn bare(message: Message) -> Message {
    let mut message = Message {
        created_at: make::at(0),
        updated_at: make::at(0),
        ..message
    };
    if let Some(reply) = &mut message.reply {
        reply.lease_until = make::at(0);
    }
    message
}

fn bare_all(messages: Vec<Message>) -> Vec<Message> {
    messages.into_iter().map(bare).collect()
}

fn bare_boxed(message: Box<Message>) -> Box<Message> {
    Box::new(bare(*message))
}

/// One store, and what was written in it.
struct Compared<'a> {
    store: &'a dyn Store,
    chats: &'a [ChatId],
    messages: &'a [(ChatId, MessageId)],
}

impl Compared<'_> {
    /// Where a message is here.
    async fn place(&self, id: ObjectId) -> Result<Option<Position>, StoreError> {
        let message = self.store.messages(&[MessageId(id)]).await?.pop();
        Ok(message.as_ref().map(Message::position))
    }

    async fn chat_place(&self, id: ObjectId) -> Result<Option<Position>, StoreError> {
        let chat = self.store.chats(&[ChatId(id)]).await?.pop();
        Ok(chat.map(|chat| Position {
            at: chat.updated_at,
            id,
        }))
    }

    /// The answer to a call, without what may differ.
    async fn answer(&self, call: &Call) -> String {
        let answer = self.try_call(call).await;
        // Which error it is, is the engine's own affair.
        answer.unwrap_or_else(|_| "an error".to_owned())
    }

    async fn try_call(&self, call: &Call) -> Result<String, StoreError> {
        let store = self.store;
        let ids: Vec<_> = self.messages.iter().map(|(_, id)| *id).collect();
        Ok(match call.clone() {
            Call::Chats => {
                let mut chats = store.chats(self.chats).await?;
                chats.sort_by_key(|chat| chat.id);
                format!("{chats:?}, {}", store.chat_count(&user()).await?)
            }
            Call::ChatPage(filter, request) => {
                let (mut after, mut before) = (None, None);
                if let Some(id) = request.after {
                    after = self.chat_place(id).await?;
                }
                if let Some(id) = request.before {
                    before = self.chat_place(id).await?;
                }
                let request = PageRequest {
                    size: request.size,
                    backward: request.backward,
                    after,
                    before,
                };
                format!("{:?}", store.chat_page(&user(), &filter, &request).await?)
            }
            Call::ChatSlice(slice) => format!("{:?}", store.chat_slice(&user(), slice).await?),
            Call::UpdateChat(id, change, now) => format!("{:?}", store.update_chat(id, &change, now).await?),
            Call::DeleteChat(id) => {
                let is_deleted = store.delete_chat(id).await?;
                while store.sweep_deleted(3).await?.is_some() {}
                format!("{is_deleted}")
            }
            Call::Write(writing) => written(store.write_message(&writing).await?),
            Call::Insert(message) => match store.insert_message(&message).await? {
                Inserted::New => "new".to_owned(),
                Inserted::Existing(message) => format!("{:?}", bare(*message)),
            },
            Call::OfKey(chat, key) => {
                let key = make::key(key).unwrap();
                format!("{:?}", store.message_of_key(chat, &key).await?.map(bare))
            }
            Call::Messages => {
                let mut messages = store.messages(&ids).await?;
                messages.sort_by_key(|message| message.id);
                format!("{:?}", bare_all(messages))
            }
            Call::MessagePages(filter, request) => self.message_pages(&filter, request).await?,
            Call::MessageSlice(chat, slice) => {
                format!("{:?}", bare_all(store.message_slice(chat, slice).await?))
            }
            Call::LastAndCounts => {
                let mut last = store.last_messages(self.chats).await?;
                let counts = store.message_counts(self.chats).await?;
                let tokens = store.token_counts(self.chats).await?;
                let of_each = self.chats.iter().map(|chat| {
                    let count = counts.get(chat).copied().unwrap_or(0);
                    let tokens = tokens.get(chat).copied().unwrap_or(0);
                    (last.remove(chat).map(bare), count, tokens)
                });
                format!("{:?}", of_each.collect::<Vec<_>>())
            }
            Call::UpdateMessage(chat, id, change, now) => {
                let updated = store.update_message(chat, id, &change, now).await?;
                format!("{:?}", updated.map(bare))
            }
            Call::DeleteMessage(chat, id) => format!("{}", store.delete_message(chat, id).await?),
            Call::Begin(exchange) => begun(store.begin_exchange(&exchange).await?),
            Call::BeforeReply(chat, id, until) => {
                let Some(until) = self.place(until.0).await? else {
                    return Ok("nowhere".to_owned());
                };
                let bounds = HistoryBounds {
                    messages_max: 5,
                    bytes_max: 1 << 20,
                };
                let before = store.before_reply(chat, id, until, bounds).await?;
                let before = before.map(|Before { earlier, history }| (bare_all(earlier), bare_all(history)));
                format!("{before:?}")
            }
            Call::Checkpoint(chat, id, owner, text, lease) => {
                format!("{:?}", store.checkpoint(chat, id, owner, &text, lease).await?)
            }
            Call::Stop(chat, id, stop) => {
                format!("{:?}", store.request_stop(chat, id, &stop).await?.map(bare))
            }
            Call::Finish(chat, id, claim, outcome, bill) => {
                let finished = store
                    .finish_reply(chat, id, claim, &outcome, bill.as_ref())
                    .await?;
                format!("{:?}", finished.map(bare))
            }
            Call::Claimable(claim, limit) => {
                format!("{:?}", bare_all(store.claimable_replies(claim, limit).await?))
            }
            Call::Remove(chat, id, claim) => format!("{}", store.remove_reply(chat, id, claim).await?),
            Call::Active => {
                let mut active = store.active_replies(self.chats).await?;
                let of_each = self.chats.iter().map(|chat| active.remove(chat).map(bare_all));
                format!("{:?}", of_each.collect::<Vec<_>>())
            }
            Call::Search(scope, word) => {
                let words = SearchWords::parse(word).unwrap();
                let found = store
                    .search_messages(&scope, &words, &PageRequest::first(999))
                    .await?;
                // A reply may be found before it has ended, or not.
                let mut found = found.items;
                found.retain(|message| !message.is_under_way());
                format!("{:?}", bare_all(found))
            }
            Call::Usage => {
                let rows = store.usage(&user(), make::at(0), make::at(2 * BEGIN_MS)).await?;
                format!("{rows:?}")
            }
        })
    }

    async fn message_pages(&self, filter: &MessageFilter, request: Request) -> Result<String, StoreError> {
        let (mut after, mut before) = (None, None);
        if let Some(id) = request.after {
            after = self.place(id).await?;
        }
        if let Some(id) = request.before {
            before = self.place(id).await?;
        }
        let request = PageRequest {
            size: request.size,
            backward: request.backward,
            after,
            before,
        };
        let mut pages = self.store.message_pages(self.chats, filter, &request).await?;
        let of_each = self.chats.iter().map(|chat| {
            let Page { items, has_more } = pages.remove(chat).unwrap_or_else(Page::empty);
            (bare_all(items), has_more)
        });
        Ok(format!("{:?}", of_each.collect::<Vec<_>>()))
    }
}

fn written(written: Written) -> String {
    let bare = match written {
        Written::New { chat, message } => Written::New {
            chat,
            message: bare_boxed(message),
        },
        Written::Existing(message) => Written::Existing(bare_boxed(message)),
        written => written,
    };
    format!("{bare:?}")
}

fn begun(begun: Begun) -> String {
    let bare = match begun {
        Begun::Begun { chat, prompt, reply } => Begun::Begun {
            chat,
            prompt: prompt.map(bare_boxed),
            reply: bare_boxed(reply),
        },
        Begun::Joined { prompt, reply } => Begun::Joined {
            prompt: prompt.map(bare_boxed),
            reply: reply.map(bare_boxed),
        },
        begun => begun,
    };
    format!("{bare:?}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_three_stores_answer_random_calls_alike() {
    let places = [
        Scratch::memory().await,
        Scratch::embedded().await,
        Scratch::mongo().await,
    ];
    let mut stores = Vec::new();
    for place in &places {
        stores.push(place.open().await);
    }
    let mut answered = Vec::new();
    for seed in 1..=SEEDS {
        let mut drawing = Drawing::new(seed);
        for store in &stores {
            for n in 0..CHATS {
                store.insert_chat(&chat_of(seed, n)).await.unwrap();
            }
        }
        let mut calls = Vec::new();
        for n in 0..CALLS {
            let call = drawing.call();
            calls.push(format!("{n}: {call:?}"));
            let mut answers = Vec::new();
            for store in &stores {
                let compared = Compared {
                    store: &**store,
                    chats: &drawing.chats,
                    messages: &drawing.messages,
                };
                answers.push(compared.answer(&call).await);
            }
            assert!(
                answers.iter().all(|answer| *answer == answers[0]),
                "seed {seed}:\n{}\nin memory: {}\nembedded:  {}\nMongoDB:   {}",
                calls.join("\n"),
                answers[0],
                answers[1],
                answers[2]
            );
            answered.extend(answers.pop());
        }
        // The next seed begins with nothing: claims reach over all chats.
        for store in &stores {
            for chat in &drawing.chats {
                store.delete_chat(*chat).await.unwrap();
            }
            while store.sweep_deleted(100).await.unwrap().is_some() {}
        }
    }
    for kind in KINDS {
        let is_seen = answered.iter().any(|answer| answer.starts_with(kind));
        assert!(is_seen, "no answer was {kind}");
    }
    drop(stores);
    for place in places {
        place.remove().await;
    }
}
