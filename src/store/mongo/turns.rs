//! Which reply of a chat runs, and which ones wait.
//!
//! Moments are given out in one command and documents inserted in another, so a later reply may be there before an
//! earlier one. The moments alone would then let both run. So the turn is a thing that one reply has at a time: slot 0,
//! of which the index of slots has one for each chat. A reply runs when it has slot 0 and no earlier one is under way.
//!
//! A new reply gets slot 0 where that is free, also if earlier ones wait. It then moves to another slot, unless an
//! earlier one has found it in slot 0 and asked it to go first. Both are decided in the document of the one that has
//! slot 0, by updates of which each excludes the other: so no two replies ever wait for one another.

use mongodb::bson::{Bson, Document, doc};

use super::MongoStore;
use super::fields::stored_date;
use super::history::Look;
use super::operation::{ANSWER_TIMEOUT, is_duplicate_key};
use super::replies::streaming;
use super::reply_document::{GOES_FIRST, SLOT, stored_slot};
use crate::domain::{ChatId, Message, MessageId, Position, Timestamp, whole_millis};
use crate::store::{ACTIVE_REPLIES_MAX, Before, HistoryBounds, StoreError};

/// How often the replies of a chat are looked at if each time another one changes its slot in between.
const ATTEMPTS_MAX: usize = 2 * ACTIVE_REPLIES_MAX;

/// A reply under way.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Active {
    pub(super) message: Message,
    /// Its slot. Replies of version 0.1.0 have none.
    pub(super) slot: Option<usize>,
    /// Whether an earlier reply waits for it.
    pub(super) goes_first: bool,
}

/// What a reply does next.
#[derive(Debug, PartialEq)]
enum Step {
    /// It runs.
    Run,
    /// It waits for these.
    Wait(Vec<Message>),
    /// It moves from this slot to slot 0.
    Take(usize),
    /// It moves from slot 0 to this slot, and waits for these.
    GiveUp(usize, Vec<Message>),
    /// It asks this later one, which has slot 0, to go first, and waits for it.
    Follow(Box<Message>),
}

impl MongoStore {
    /// See [`crate::store::ReplyStore::before_reply`]. One command where nothing is in the way, and one more for each
    /// change of a slot.
    pub(super) async fn before(
        &self,
        chat: ChatId,
        id: MessageId,
        until: Position,
        bounds: HistoryBounds,
    ) -> Result<Option<Before>, StoreError> {
        for _ in 0..ATTEMPTS_MAX {
            let Some(look) = self.look(chat, until, bounds).await? else {
                return Ok(None);
            };
            let Look { at, active, history } = look;
            let Some(step) = Step::of(id, active) else {
                return Ok(None);
            };
            let (is_done, earlier) = match step {
                Step::Run => (true, Vec::new()),
                Step::Wait(earlier) => (true, earlier),
                Step::Take(from) => (self.move_to(chat, id, from, 0, at).await?, Vec::new()),
                Step::GiveUp(to, earlier) => (self.move_to(chat, id, 0, to, at).await?, earlier),
                Step::Follow(later) => (self.ask_to_go_first(&later).await?, vec![*later]),
            };
            if is_done {
                return Ok(Some(Before { earlier, history }));
            }
        }
        Err(StoreError::Unavailable(
            "the replies of the chat changed all the time".into(),
        ))
    }

    /// Moves a reply to another slot; whether it did. It does not if that is taken, if the reply is not in the first
    /// one any more, or if it leaves slot 0 and was asked to go first.
    async fn move_to(
        &self,
        chat: ChatId,
        id: MessageId,
        from: usize,
        to: usize,
        looked_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut filter = streaming(chat, id);
        filter.insert(SLOT, stored_slot(from));
        filter.insert(GOES_FIRST, Bson::Null);
        // By then the caller has given this up, and may have asked again: what comes later must not undo what it found.
        let deadline = looked_at.plus_millis(whole_millis(ANSWER_TIMEOUT));
        filter.insert("$expr", doc! { "$lt": ["$$NOW", stored_date(deadline)] });
        self.change(filter, doc! { SLOT: stored_slot(to) }).await
    }

    /// Has a reply keep slot 0 that is in it; whether it is.
    async fn ask_to_go_first(&self, reply: &Message) -> Result<bool, StoreError> {
        let mut filter = streaming(reply.chat_id, reply.id);
        filter.insert(SLOT, stored_slot(0));
        self.change(filter, doc! { GOES_FIRST: true }).await
    }

    async fn change(&self, filter: Document, set: Document) -> Result<bool, StoreError> {
        let changed = self.messages.write(|messages| async move {
            match messages.update_one(filter, doc! { "$set": set }).await {
                Ok(updated) => Ok(updated.matched_count > 0),
                Err(error) if is_duplicate_key(&error) => Ok(false),
                Err(error) => Err(error),
            }
        });
        changed.await
    }
}

impl Step {
    /// What the reply `id` does next; `None` if it is not under way.
    fn of(id: MessageId, active: Vec<Active>) -> Option<Self> {
        let own = active.iter().find(|reply| reply.message.id == id)?;
        let (place, slot, goes_first) = (own.message.position(), own.slot, own.goes_first);
        let free = (1..ACTIVE_REPLIES_MAX).find(|slot| active.iter().all(|reply| reply.slot != Some(*slot)));
        let (earlier, others): (Vec<_>, Vec<_>) = active
            .into_iter()
            .partition(|reply| reply.message.position() < place);
        let mut earlier: Vec<_> = earlier.into_iter().map(|reply| reply.message).collect();
        earlier.sort_unstable_by_key(Message::position);
        Some(match slot {
            Some(0) if earlier.is_empty() || goes_first => Self::Run,
            Some(0) => match free {
                Some(to) => Self::GiveUp(to, earlier),
                // It has nowhere to go, and runs first: the earlier ones wait for it.
                None => Self::Run,
            },
            _ if !earlier.is_empty() => Self::Wait(earlier),
            None => Self::Run,
            Some(from) => match others.into_iter().find(|reply| reply.slot == Some(0)) {
                None => Self::Take(from),
                Some(later) if later.goes_first => Self::Wait(vec![later.message]),
                Some(later) => Self::Follow(Box::new(later.message)),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Author, ObjectId, Reply};

    fn id(n: u8) -> MessageId {
        MessageId(ObjectId::from_bytes([n; 12]))
    }

    /// A reply whose moment is its number.
    fn active(n: u8, slot: Option<usize>) -> Active {
        let at = Timestamp::from_millis(n.into());
        let reply = Reply::begun("owner".to_owned(), at);
        let chat = ChatId(ObjectId::from_bytes([0; 12]));
        let message = Message {
            reply: Some(reply),
            ..Message::plain(id(n), chat, Author::Bot, String::new(), at)
        };
        Active {
            message,
            slot,
            goes_first: false,
        }
    }

    fn messages(replies: &[&Active]) -> Vec<Message> {
        replies.iter().map(|reply| reply.message.clone()).collect()
    }

    #[test]
    fn the_one_with_slot_0_runs_unless_an_earlier_one_waits() {
        let (one, two) = (active(1, Some(0)), active(2, Some(3)));
        let both = || vec![two.clone(), one.clone()];
        assert_eq!(Step::of(id(1), both()), Some(Step::Run));
        assert_eq!(Step::of(id(2), both()), Some(Step::Wait(messages(&[&one]))));
        assert_eq!(Step::of(id(2), vec![two.clone()]), Some(Step::Take(3)));
        assert_eq!(Step::of(id(9), both()), None);
    }

    #[test]
    fn a_later_one_gives_slot_0_up_or_goes_first_and_never_both() {
        let (one, two, mut three) = (active(1, Some(1)), active(2, Some(2)), active(3, Some(0)));
        let all = |three: &Active| vec![three.clone(), two.clone(), one.clone()];
        assert_eq!(
            Step::of(id(3), all(&three)),
            Some(Step::GiveUp(3, messages(&[&one, &two])))
        );
        assert_eq!(
            Step::of(id(1), all(&three)),
            Some(Step::Follow(Box::new(three.message.clone())))
        );
        assert_eq!(Step::of(id(2), all(&three)), Some(Step::Wait(messages(&[&one]))));
        three.goes_first = true;
        assert_eq!(Step::of(id(3), all(&three)), Some(Step::Run));
        assert_eq!(
            Step::of(id(1), all(&three)),
            Some(Step::Wait(messages(&[&three])))
        );
    }

    #[test]
    fn with_all_slots_taken_the_one_with_slot_0_goes_first() {
        let mut all: Vec<_> = (1..=8).map(|n| active(n, Some(usize::from(n)))).collect();
        all[7].slot = Some(0);
        assert_eq!(Step::of(id(8), all.clone()), Some(Step::Run));
        all.remove(2);
        assert!(matches!(Step::of(id(8), all), Some(Step::GiveUp(3, _))));
    }

    #[test]
    fn one_without_a_slot_waits_for_earlier_ones_alone() {
        let (one, two, three) = (active(1, Some(1)), active(2, None), active(3, Some(0)));
        let waits = Step::Wait(messages(&[&one]));
        assert_eq!(
            Step::of(id(2), vec![one, two.clone(), three.clone()]),
            Some(waits)
        );
        assert_eq!(Step::of(id(2), vec![two, three]), Some(Step::Run));
    }
}
