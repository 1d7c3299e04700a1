//! A feed that servers share, as the one on Redis behaves behind the traits: a log for each chat, the texts of replies
//! that grow, and wakes. It can lose, be late, and come back with nothing or with less than it had.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, Instant, sleep, timeout};

use super::bot::call_of;
use super::fault::{Fault, is_put_back};
use super::history::Note;
use super::world::{Gate, World, lock};
use crate::domain::{ChatEvent, ChatId, FeedPosition, MessageId, Typing};
use crate::engine::watch;
use crate::feed::{
    Away, CONTENT_WAIT_MAX, FLUSH_WAIT_MAX, Feed, Fleet, Followed, Follower, Heard, Hearing, SharedContent,
    is_latest,
};

/// What all servers share.
pub struct Broker {
    kept: Mutex<Kept>,
    /// Signals that something changed; the number says nothing.
    changes: watch::Sender<()>,
}

#[derive(Default)]
struct Kept {
    memory: Memory,
    /// What comes back after a restart that is not empty.
    saved: Memory,
    epochs: u64,
    /// The chats that had a log at any time.
    known: BTreeSet<ChatId>,
    mailboxes: BTreeMap<String, mpsc::UnboundedSender<MessageId>>,
}

/// What a restart may take away.
#[derive(Clone, Default)]
struct Memory {
    logs: BTreeMap<ChatId, Log>,
    texts: BTreeMap<MessageId, Text>,
}

#[derive(Clone)]
struct Log {
    epoch: u64,
    /// When it began anew; `None` for a chat's first.
    reset_at: Option<Instant>,
    events: Vec<ChatEvent>,
}

#[derive(Clone, Default)]
struct Text {
    text: String,
    has_ended: bool,
}

impl Default for Broker {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            changes: watch::Sender::new(()),
        }
    }
}

impl Broker {
    pub fn save(&self) {
        let mut kept = lock(&self.kept);
        kept.saved = kept.memory.clone();
    }

    /// Comes back: with what was saved last, or with nothing. Servers see that it is another run, and begin every log
    /// anew.
    pub fn restart(&self, is_old: bool) {
        {
            let mut kept = lock(&self.kept);
            kept.memory = if is_old {
                kept.saved.clone()
            } else {
                Memory::default()
            };
            if !is_put_back(Fault::OldRunContinued) {
                kept.memory.logs.clear();
            }
        }
        self.changes.send_replace(());
    }

    fn append(&self, chat: ChatId, event: ChatEvent) {
        {
            let mut kept = lock(&self.kept);
            let log = kept.log(chat);
            // As the rings of `src/feed`: it may have been handed in before that.
            let is_trusted = log.reset_at.is_none_or(|at| at.elapsed() > CONTENT_WAIT_MAX);
            log.events.push(match is_trusted {
                true => event,
                false => event.without_content(),
            });
        }
        self.changes.send_replace(());
    }

    /// The chat's log begins anew: something is missing in it.
    fn renew(&self, chat: ChatId) {
        {
            let mut kept = lock(&self.kept);
            kept.memory.logs.remove(&chat);
            kept.log(chat);
        }
        self.changes.send_replace(());
    }

    /// Every log begins anew: nobody knows what is missing.
    pub fn renew_all(&self) {
        lock(&self.kept).memory.logs.clear();
        self.changes.send_replace(());
    }

    fn keep_piece(&self, reply: MessageId, offset: usize, piece: &str) -> usize {
        let kept = {
            let mut kept = lock(&self.kept);
            let text = &mut kept.memory.texts.entry(reply).or_default().text;
            if text.len() >= offset
                && let Some(new) = piece.get(text.len() - offset..)
            {
                text.push_str(new);
            }
            text.len()
        };
        self.changes.send_replace(());
        kept
    }

    fn text(&self, reply: MessageId) -> Option<Text> {
        lock(&self.kept).memory.texts.get(&reply).cloned()
    }

    fn end(&self, reply: MessageId) {
        lock(&self.kept).memory.texts.entry(reply).or_default().has_ended = true;
        self.changes.send_replace(());
    }

    /// What a follower at this place is told next; a place of nobody's is one that is lost.
    fn next(&self, chat: ChatId, place: Option<FeedPosition>) -> Option<Followed> {
        let mut kept = lock(&self.kept);
        let log = kept.log(chat);
        let here = FeedPosition {
            epoch: log.epoch,
            sequence: log.events.len() as u64,
        };
        match place.filter(|place| place.epoch == here.epoch && place.sequence <= here.sequence) {
            None => Some(Followed::Gap(here)),
            Some(place) => {
                let at = usize::try_from(place.sequence).unwrap();
                let event = log.events.get(at)?;
                // As the rings of `src/feed`: what was deleted before, or may have changed since, is looked for in the
                // store.
                let deleted = event.message_id().map(ChatEvent::MessageDeleted);
                let is_late = deleted.is_some_and(|deleted| log.events[..at].contains(&deleted));
                let held = log.events[..at].iter();
                let held = held.map(|event| (event.message_id(), event.content_changed_at()));
                let is_latest = is_latest(held, event) || is_put_back(Fault::ContentKept);
                let event = if is_late || !is_latest {
                    event.without_content()
                } else {
                    event.clone()
                };
                let behind = FeedPosition {
                    sequence: place.sequence + 1,
                    ..place
                };
                Some(Followed::Event(behind, event, Arc::default()))
            }
        }
    }
}

impl Kept {
    fn log(&mut self, chat: ChatId) -> &mut Log {
        self.memory.logs.entry(chat).or_insert_with(|| {
            self.epochs += 1;
            let is_first = self.known.insert(chat);
            Log {
                epoch: self.epochs,
                reset_at: (!is_first).then(Instant::now),
                events: Vec::new(),
            }
        })
    }
}

/// What a server hands to the task that carries its events.
enum Letter {
    /// An event, and when it was published.
    Event(ChatId, ChatEvent, Instant),
    /// To be answered once every event before it is carried, or its chat's log has begun anew.
    Flush(oneshot::Sender<()>),
}

/// The feed as one server reaches it.
#[derive(Clone)]
pub struct FleetFeed {
    world: Arc<World>,
    gate: Arc<Gate>,
    outbox: mpsc::UnboundedSender<Letter>,
    mailbox: Arc<Mutex<Option<mpsc::UnboundedReceiver<MessageId>>>>,
    /// What subscribers of this server share, for each event by its chat, epoch and sequence.
    contents: Contents,
}

type Contents = Arc<Mutex<BTreeMap<(ChatId, u64, u64), Arc<SharedContent>>>>;

impl FleetFeed {
    pub fn new(world: Arc<World>, gate: Arc<Gate>) -> Self {
        let (outbox, events) = mpsc::unbounded_channel();
        let (letters, mailbox) = mpsc::unbounded_channel();
        let owner = format!("server {}", gate.run);
        lock(&world.broker.kept).mailboxes.insert(owner, letters);
        tokio::spawn(carry(world.clone(), gate.clone(), events));
        Self {
            world,
            gate,
            outbox,
            mailbox: Arc::new(Mutex::new(Some(mailbox))),
            contents: Contents::default(),
        }
    }

    async fn travel(&self) -> Result<(), Away> {
        self.gate.pass().await;
        self.world.travel().await;
        self.gate.pass().await;
        if self.gate.has_feed() { Ok(()) } else { Err(Away) }
    }
}

/// Carries what a server publishes, in order. Where an event is lost, the log of its chat begins anew as soon as that
/// is possible.
async fn carry(world: Arc<World>, gate: Arc<Gate>, mut letters: mpsc::UnboundedReceiver<Letter>) {
    let mut untold = BTreeSet::new();
    while let Some(letter) = letters.recv().await {
        let (chat, event, at) = match letter {
            Letter::Event(chat, event, at) => (chat, event, at),
            Letter::Flush(done) => {
                // Its caller may have given up.
                let _ = done.send(());
                continue;
            }
        };
        gate.pass().await;
        world.travel().await;
        let pause = world.roll(|rng| rng.u64(0..=world.weather().feed_pause_max));
        sleep(Duration::from_millis(pause)).await;
        gate.pass().await;
        if !gate.has_feed() || world.happens(world.weather().feed_lost) {
            untold.insert(chat);
            if gate.has_feed() {
                world.travel().await;
            }
            gate.feed_back().await;
        } else {
            // As `src/feed/redis/link.rs`: what waited long goes without its content.
            let event = if at.elapsed() > CONTENT_WAIT_MAX {
                event.without_content()
            } else {
                event
            };
            world.note(Note::Carried {
                chat,
                event: event.clone(),
            });
            world.broker.append(chat, event);
        }
        for chat in std::mem::take(&mut untold) {
            world.note(Note::Renewed { chat });
            world.broker.renew(chat);
        }
    }
}

#[async_trait]
impl Feed for FleetFeed {
    async fn publish(&self, chat: ChatId, event: ChatEvent) {
        self.gate.pass().await;
        if is_put_back(Fault::DroppedEvents) && self.world.happens(500) {
            return;
        }
        self.world.note(Note::Published {
            server: self.gate.run,
            chat,
            event: event.clone(),
        });
        // The other end lives as long as the run.
        let _ = self.outbox.send(Letter::Event(chat, event, Instant::now()));
    }

    async fn flush(&self) -> bool {
        if is_put_back(Fault::NothingFlushed) {
            return true;
        }
        self.gate.set_flushing(true);
        let (done, is_done) = oneshot::channel();
        // The other end lives as long as the run.
        let _ = self.outbox.send(Letter::Flush(done));
        let is_flushed = timeout(FLUSH_WAIT_MAX, is_done).await.is_ok();
        self.gate.set_flushing(!is_flushed);
        self.gate.pass().await;
        is_flushed
    }

    async fn leave(&self) {
        self.gate.pass().await;
        if self.gate.has_feed() {
            self.gate.leave();
        }
    }

    async fn publish_typing(&self, _: ChatId, _: Typing) {
        self.gate.pass().await;
    }

    async fn follow(&self, chat: ChatId, after: Option<FeedPosition>) -> Follower {
        // Without the feed a follower begins with a gap, and is told of another when the feed is back.
        let is_back = timeout(Duration::from_secs(2), self.gate.feed_back()).await;
        let alone = FeedPosition {
            epoch: u64::MAX,
            sequence: 0,
        };
        let first = is_back.is_err().then_some(Followed::Gap(alone));
        let place = if first.is_some() { Some(alone) } else { after };
        let (world, gate) = (self.world.clone(), self.gate.clone());
        let changes = world.broker.changes.subscribe();
        let contents = self.contents.clone();
        let rest = stream::unfold((place, changes), move |(mut place, mut changes)| {
            let (world, gate, contents) = (world.clone(), gate.clone(), contents.clone());
            async move {
                loop {
                    changes.borrow_and_update();
                    gate.feed_back().await;
                    if let Some(mut followed) = world.broker.next(chat, place) {
                        match &mut followed {
                            Followed::Gap(behind) => place = Some(*behind),
                            Followed::Event(behind, _, content) => {
                                place = Some(*behind);
                                let key = (chat, behind.epoch, behind.sequence);
                                *content = lock(&contents).entry(key).or_default().clone();
                            }
                            Followed::Typing(_) => {}
                        }
                        world.travel().await;
                        gate.pass().await;
                        return Some((followed, (place, changes)));
                    }
                    // The sender lives as long as the world.
                    let _ = changes.changed().await;
                }
            }
        });
        stream::iter(first).chain(rest).boxed()
    }

    fn is_up(&self) -> bool {
        self.gate.has_feed()
    }

    fn fleet(&self) -> Option<Arc<dyn Fleet>> {
        Some(Arc::new(self.clone()))
    }
}

#[async_trait]
impl Fleet for FleetFeed {
    async fn carry(&self, reply: MessageId, offset: usize, piece: &str) -> Result<usize, Away> {
        self.travel().await?;
        if let Some(call) = call_of(piece).filter(|_| offset == 0) {
            self.world.note(Note::Wrote { call, reply });
        }
        Ok(self.world.broker.keep_piece(reply, offset, piece))
    }

    async fn end(&self, reply: MessageId) {
        if self.travel().await.is_ok() {
            self.world.broker.end(reply);
        }
    }

    async fn hear(&self, reply: MessageId) -> Hearing {
        let (world, gate) = (self.world.clone(), self.gate.clone());
        let changes = world.broker.changes.subscribe();
        let kept = world.broker.text(reply).map_or(0, |text| text.text.len());
        let first = (kept, false, changes);
        let heard = stream::unfold(first, move |(mut place, mut is_over, mut changes)| {
            let (world, gate) = (world.clone(), gate.clone());
            async move {
                loop {
                    changes.borrow_and_update();
                    let was_away = gate.feed_back().await;
                    let text = world.broker.text(reply).unwrap_or_default();
                    let length = text.text.len();
                    let heard = if was_away || length < place {
                        Some(Heard::Missed)
                    } else if length > place && !world.happens(world.weather().feed_lost) {
                        let text = text.text[place..].to_owned();
                        Some(Heard::Piece { offset: place, text })
                    } else if text.has_ended && !is_over {
                        is_over = true;
                        Some(Heard::Ended)
                    } else {
                        None
                    };
                    place = length;
                    if let Some(heard) = heard {
                        world.travel().await;
                        gate.pass().await;
                        return Some((heard, (place, is_over, changes)));
                    }
                    // The sender lives as long as the world.
                    let _ = changes.changed().await;
                }
            }
        });
        stream::once(async { Heard::Missed }).chain(heard).boxed()
    }

    async fn text(&self, reply: MessageId) -> Option<String> {
        self.travel().await.ok()?;
        Some(self.world.broker.text(reply)?.text).filter(|text| !text.is_empty())
    }

    async fn wake(&self, owner: &str, reply: MessageId) {
        if self.travel().await.is_err() || self.world.happens(self.world.weather().feed_lost) {
            return;
        }
        if let Some(mailbox) = lock(&self.world.broker.kept).mailboxes.get(owner) {
            // Nobody reads the letters of the dead.
            let _ = mailbox.send(reply);
        }
    }

    fn woken(&self) -> BoxStream<'static, MessageId> {
        let Some(mailbox) = lock(&self.mailbox).take() else {
            return stream::pending().boxed();
        };
        let gate = self.gate.clone();
        stream::unfold((mailbox, gate), |(mut mailbox, gate)| async {
            let reply = mailbox.recv().await?;
            gate.pass().await;
            Some((reply, (mailbox, gate)))
        })
        .boxed()
    }

    fn announce(&self, _room: &str, _connections: usize) {}

    async fn connections(&self, _rooms: &[String]) -> Vec<usize> {
        Vec::new()
    }
}
