//! Drawing calls at random, of a seed: of chats and messages that were written, most of the time.

use std::time::Duration;

use colloquy::domain::{
    Author, Bill, ChatChange, ChatFilter, ChatId, Message, MessageChange, MessageFilter, MessageId, ObjectId,
    Reply, ReplyOutcome, SearchScope, Slice, Timestamp, TokenCount, Usage, UserId,
};
use colloquy::store::{ACTIVE_REPLIES_MAX, Asking, Claim, Exchange, Writing};

use super::{BEGIN_MS, CHATS, Call, Request, chat_of, user};
use crate::support::make;
use crate::support::random::Random;

const OWNERS: [&str; 2] = ["us", "them"];
const WORDS: [&str; 4] = ["sea", "ship", "wave", "शब्द"];

/// What was written so far, and what it is drawn from.
pub(super) struct Drawing {
    random: Random,
    seed: u64,
    ids: u32,
    /// The moment of the next call.
    now: i64,
    pub(super) chats: Vec<ChatId>,
    /// Those that are not deleted.
    live_chats: Vec<ChatId>,
    pub(super) messages: Vec<(ChatId, MessageId)>,
    writings: Vec<Writing>,
    exchanges: Vec<Exchange>,
}

impl Drawing {
    pub(super) fn new(seed: u64) -> Self {
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

    pub(super) fn call(&mut self) -> Call {
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
