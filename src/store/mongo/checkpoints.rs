//! Checkpoints of many replies in one command.
//!
//! A server writes one for each of its replies twice a second, and a command of its own for each costs both sides more
//! than all the rest of a reply. While one command is under way, checkpoints wait for the next; nothing else is waited
//! for.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use tokio::sync::oneshot;

use super::bulk::{Updated, update_each};
use super::calls::Documents;
use super::fields::{Fields, stored_id};
use super::lists::batch_size;
use super::messages::within;
use super::operation::ANSWER_TIMEOUT;
use super::replies::{from_now, streaming, text_so_far};
use super::reply_document::GROWING_TEXT;
use crate::domain::{ChatId, MessageId, ReplyState};
use crate::store::{Checkpointed, StoreError};

/// The most checkpoints of one command.
const COUNT_MAX: usize = 200;
/// The most text of one command, in bytes, unless one checkpoint alone has more: half of what a command may have.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// What the owner of a reply wants stored.
pub(super) struct Checkpoint {
    /// The chat of the reply.
    pub(super) chat: ChatId,
    /// The reply.
    pub(super) id: MessageId,
    /// Who has to own it.
    pub(super) owner: String,
    /// Its text so far.
    pub(super) text: String,
    /// How long it is vouched for.
    pub(super) lease: Duration,
}

type Answer = Result<Checkpointed, StoreError>;

/// Checkpoints that wait for their command. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Checkpoints(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    checkpoints: Vec<(Checkpoint, oneshot::Sender<Answer>)>,
    is_storing: bool,
}

impl Checkpoints {
    /// Stores a checkpoint among `messages`, with others that come meanwhile.
    pub(super) async fn store(&self, messages: &Documents, checkpoint: Checkpoint) -> Answer {
        let (answer, answered) = oneshot::channel();
        let begins = {
            let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.checkpoints.push((checkpoint, answer));
            !mem::replace(&mut waiting.is_storing, true)
        };
        if begins {
            tokio::spawn(self.clone().store_all(messages.clone()));
        }
        answered
            .await
            .unwrap_or_else(|stopped| Err(StoreError::Failed(stopped.into())))
    }

    /// Stores what waits until nothing does.
    async fn store_all(self, messages: Documents) {
        let _storing = Storing(&self);
        while let Some(batch) = self.next() {
            let (checkpoints, answers): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
            for (answer, to) in together(&messages, &checkpoints).await.into_iter().zip(answers) {
                // Whoever does not wait any more is told nothing.
                let _ = to.send(answer);
            }
        }
    }

    /// What the next command stores.
    fn next(&self) -> Option<Vec<(Checkpoint, oneshot::Sender<Answer>)>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = 0;
        let fits = |(checkpoint, _): &&(Checkpoint, _)| {
            bytes += checkpoint.text.len();
            bytes <= BYTES_MAX
        };
        let count = waiting
            .checkpoints
            .iter()
            .take(COUNT_MAX)
            .take_while(fits)
            .count();
        let count = count.max(1).min(waiting.checkpoints.len());
        waiting.is_storing = count > 0;
        (count > 0).then(|| waiting.checkpoints.drain(..count).collect())
    }
}

/// Somebody who stores what waits. However that ends, nobody waits for an answer that will not come, and the next
/// checkpoint begins anew.
struct Storing<'a>(&'a Checkpoints);

impl Drop for Storing<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Otherwise nothing waits, or another one stores it already.
        if std::thread::panicking() {
            waiting.is_storing = false;
            waiting.checkpoints.clear();
        }
    }
}

/// What an answer is made of.
#[derive(Clone, Copy)]
enum Found {
    Stored,
    /// Not stored, but still the owner's: somebody asked for it to stop.
    ToStop,
    Lost,
}

/// Stores checkpoints in one command. Only if it did not find them all, because they are to be stopped or somebody else's
/// or gone, another one asks which, and a third stores those that are to be stopped.
async fn together(messages: &Documents, checkpoints: &[Checkpoint]) -> Vec<Answer> {
    match try_together(messages, checkpoints).await {
        Ok(answers) => answers,
        Err(error) => checkpoints.iter().map(|_| Err(same(&error))).collect(),
    }
}

async fn try_together(messages: &Documents, checkpoints: &[Checkpoint]) -> Result<Vec<Answer>, StoreError> {
    let all: Vec<_> = checkpoints.iter().collect();
    let updated = store_some(messages, &all, false).await?;
    let found = match updated.accounted_for() >= all.len() {
        true => all.iter().map(|_| Found::Stored).collect(),
        false => look_for(messages, &all).await?,
    };
    let to_stop: Vec<_> = all
        .iter()
        .zip(&found)
        .filter(|(_, found)| matches!(found, Found::ToStop))
        .map(|(checkpoint, _)| *checkpoint)
        .collect();
    let mut stopped = Vec::new();
    if !to_stop.is_empty() {
        let updated = store_some(messages, &to_stop, true).await?;
        let are_held: Vec<_> = match updated.accounted_for() >= to_stop.len() {
            true => to_stop.iter().map(|_| true).collect(),
            // One ended in between.
            false => {
                let found = look_for(messages, &to_stop).await?;
                found.iter().map(|found| !matches!(found, Found::Lost)).collect()
            }
        };
        stopped = are_held
            .into_iter()
            .enumerate()
            .map(|(place, is_held)| {
                updated.of(place)?;
                Ok(match is_held {
                    true => Checkpointed::Held {
                        is_stop_requested: true,
                    },
                    false => Checkpointed::Lost,
                })
            })
            .collect();
    }
    let mut stopped = stopped.into_iter();
    let answers = found.into_iter().enumerate().map(|(place, found)| match found {
        Found::Stored => updated.of(place).map(|()| Checkpointed::Held {
            is_stop_requested: false,
        }),
        Found::ToStop => stopped.next().unwrap_or(Ok(Checkpointed::Lost)),
        Found::Lost => Ok(Checkpointed::Lost),
    });
    Ok(answers.collect())
}

/// Sends the updates of some replies: of those that nobody asked to stop, or of any.
async fn store_some(
    messages: &Documents,
    checkpoints: &[&Checkpoint],
    may_be_stopped: bool,
) -> Result<Updated, StoreError> {
    let statements = checkpoints
        .iter()
        .map(|checkpoint| statement(checkpoint, may_be_stopped));
    update_each(messages, statements.collect()).await
}

/// What has become of some replies.
async fn look_for(messages: &Documents, checkpoints: &[&Checkpoint]) -> Result<Vec<Found>, StoreError> {
    let chats: Vec<_> = checkpoints.iter().map(|checkpoint| checkpoint.chat).collect();
    let ids: Vec<_> = checkpoints
        .iter()
        .map(|checkpoint| stored_id(checkpoint.id.0))
        .collect();
    let all = batch_size(ids.len());
    let mut filter = within(&chats);
    filter.insert("_id", doc! { "$in": ids });
    filter.insert("reply.state", ReplyState::Streaming.name());
    let found = messages.read(|messages| async move {
        let find = messages
            .find(filter)
            .projection(doc! { "reply.owner": 1, "reply.stop_requested_at": 1 });
        let found = find.batch_size(all).max_time(ANSWER_TIMEOUT).await?;
        found.try_collect::<Vec<RawDocumentBuf>>().await
    });
    let found = found.await?;
    let replies = found.iter().filter_map(|document| {
        let fields = Fields::of(document);
        let reply = fields.nested("reply")?;
        let owner = reply.text("owner")?;
        let found = match reply.is_there("stop_requested_at") {
            true => Found::ToStop,
            false => Found::Stored,
        };
        Some((fields.id("_id")?, (owner, found)))
    });
    let replies: HashMap<_, _> = replies.collect();
    let found = checkpoints.iter().map(|checkpoint| {
        let reply = replies.get(&checkpoint.id.0);
        let held = reply.filter(|(owner, _)| *owner == checkpoint.owner);
        held.map_or(Found::Lost, |(_, found)| *found)
    });
    Ok(found.collect())
}

/// The update of one reply.
fn statement(checkpoint: &Checkpoint, may_be_stopped: bool) -> Document {
    let mut filter = streaming(checkpoint.chat, checkpoint.id);
    filter.insert("reply.owner", &checkpoint.owner);
    if !may_be_stopped {
        filter.insert("reply.stop_requested_at", Bson::Null);
    }
    let is_longer = doc! { "$gt": [{ "$strLenBytes": "$$text" }, { "$strLenBytes": "$$stored" }] };
    let longer = doc! { "$let": {
        "vars": { "text": { "$literal": &checkpoint.text }, "stored": text_so_far() },
        "in": { "$cond": [is_longer, "$$text", "$$stored"] },
    } };
    let later = doc! { "$max": ["$reply.lease_until", from_now(checkpoint.lease)] };
    let update = vec![doc! { "$set": { GROWING_TEXT: longer, "reply.lease_until": later } }];
    doc! { "q": filter, "u": update }
}

/// The same error for one more caller.
fn same(error: &StoreError) -> StoreError {
    let source = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    match error {
        StoreError::Unavailable(_) => StoreError::Unavailable(source.into()),
        StoreError::Corrupt(_) => StoreError::Corrupt(source.into()),
        StoreError::Failed(_) => StoreError::Failed(source.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ObjectId;

    const ID: ObjectId = ObjectId::from_bytes([1; 12]);

    #[test]
    fn a_command_takes_so_many_and_so_much_and_never_nothing() {
        let waiting = Checkpoints::default();
        let mut put = |bytes| {
            let checkpoint = Checkpoint {
                chat: ChatId(ID),
                id: MessageId(ID),
                owner: "us".to_owned(),
                text: "x".repeat(bytes),
                lease: Duration::ZERO,
            };
            waiting
                .0
                .lock()
                .unwrap()
                .checkpoints
                .push((checkpoint, oneshot::channel().0));
        };
        [BYTES_MAX + 1, BYTES_MAX, 1].into_iter().for_each(&mut put);
        (0..=COUNT_MAX).for_each(|_| put(0));
        let counts: Vec<_> = std::iter::from_fn(|| waiting.next())
            .map(|batch| batch.len())
            .collect();
        assert_eq!(counts, [1, 1, COUNT_MAX, 2]);
        assert!(!waiting.0.lock().unwrap().is_storing);
    }

    #[tokio::test]
    async fn a_panic_while_storing_leaves_nobody_waiting_and_nothing_stuck() {
        let waiting = Checkpoints::default();
        let (answer, answered) = oneshot::channel();
        let checkpoint = Checkpoint {
            chat: ChatId(ID),
            id: MessageId(ID),
            owner: "us".to_owned(),
            text: String::new(),
            lease: Duration::ZERO,
        };
        {
            let mut waiting = waiting.0.lock().unwrap();
            waiting.is_storing = true;
            waiting.checkpoints.push((checkpoint, answer));
        }
        let stored = waiting.clone();
        let panicked = tokio::spawn(async move {
            let _storing = Storing(&stored);
            panic!("a batch");
        });
        assert!(panicked.await.unwrap_err().is_panic());
        assert!(answered.await.is_err());
        assert!(!waiting.0.lock().unwrap().is_storing);
    }
}
