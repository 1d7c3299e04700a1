//! One who follows a chat all the time, and assembles each of its replies.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use super::reply_follower::SILENCE_MAX;
use crate::cli::client::{ClientError, ReplyState, Server, Subscription};
use crate::cli::verify::crew::Crew;
use crate::cli::verify::ledger::{GONE, Told, now};
use crate::cli::verify::operations::{FollowChat, follow_chat};
use crate::cli::verify::view::{Face, View};

/// How long a follower stays on one line at the most, in milliseconds.
const STAYS_MS: std::ops::Range<u64> = 1_000..10_000;

/// What a follower has.
#[derive(Default)]
struct Place {
    cursor: Option<String>,
    /// Of the replies under way.
    views: HashMap<String, View>,
    /// Of those that have ended.
    ended: Vec<View>,
    /// What was said to be deleted.
    deleted: HashSet<String>,
    /// What came last, besides that the chat is deleted.
    last: Option<Told>,
    /// Whether the chat was said to be deleted.
    is_gone: bool,
}

/// Follows a chat until it is deleted, or all is over.
pub async fn follow(crew: Arc<Crew>, chat: String, mut rng: Rng) {
    let mut place = Place::default();
    loop {
        let server = crew.fleet.any(&mut rng).clone();
        let stay = Duration::from_millis(rng.u64(STAYS_MS));
        let line = over_one_line(&server.server, server.index, &chat, &mut place);
        let line = crew
            .over
            .run_until_cancelled(tokio::time::timeout(stay, line))
            .await;
        match &line {
            Some(Ok(Err(error))) if error.code() == Some(GONE) => place.is_gone = true,
            Some(Ok(Err(error))) if !error.is_passing() => place.fault(&chat, error.to_string()),
            _ => {}
        }
        let (ended, last) = (std::mem::take(&mut place.ended), place.last.take());
        crew.ledger.note(|notes| {
            notes.views.extend(ended);
            if let Some(noted) = notes.deletions.get_mut(&chat) {
                noted.told.extend(last);
            }
        });
        if line.is_none() || place.is_gone || crew.pause(&mut rng).await.is_none() {
            break;
        }
        place.views.values_mut().for_each(View::broke);
    }
    // What was not told to its end is told for its faults alone.
    let rest = place.views.into_values().filter(|view| !view.faults.is_empty());
    crew.ledger.note(|notes| notes.views.extend(rest));
}

/// Follows a chat over one line: to its deletion, or to the line's end, which is an error.
async fn over_one_line(
    server: &Server,
    index: usize,
    chat: &str,
    place: &mut Place,
) -> Result<(), ClientError> {
    use follow_chat::FollowChatChat as Event;

    let variables = follow_chat::Variables {
        chat_id: chat.to_owned(),
        after: place.cursor.clone(),
    };
    let start = Subscription::start::<FollowChat>(server, variables);
    let silent = |_| server.lost_because("it is silent");
    let mut events = tokio::time::timeout(SILENCE_MAX, start).await.map_err(silent)??;
    while let Some(data) = events.next::<follow_chat::ResponseData>().await? {
        let at = now();
        if place.is_gone {
            place.fault(chat, "something came after the deletion of the chat".to_owned());
            return Ok(());
        }
        let is_last = matches!(data.chat, Event::ChatDeleted(_));
        if !is_last {
            place.last = Some(Told { server: index, at });
        }
        let cursor = match data.chat {
            Event::ReplySnapshot(event) => {
                let id = event.message.id;
                place.must_be_there(&id);
                let view = place.views.entry(id.clone());
                let view = view.or_insert_with(|| View::new(id, Face::Chat));
                view.server = index;
                view.snapshot(at, &event.text);
                event.cursor
            }
            Event::ReplyPartial(event) => {
                place.must_be_there(&event.message_id);
                let view = place.under_way(event.message_id);
                view.server = index;
                view.partial(at, &event.text);
                event.cursor
            }
            Event::ReplyFinished(event) => {
                let message = event.message;
                place.must_be_there(&message.id);
                let state = message.reply.map_or(ReplyState::Unknown, |reply| reply.state);
                let view = place.under_way(message.id.clone());
                view.end(state, Some(&message.text));
                let view = place.views.remove(&message.id);
                place.ended.extend(view);
                event.cursor
            }
            Event::ChatResync(event) => event.cursor,
            Event::MessageAdded(event) => {
                place.must_be_there(&event.message.id);
                event.cursor
            }
            Event::MessageUpdated(event) => {
                place.must_be_there(&event.message.id);
                event.cursor
            }
            Event::MessageDeleted(event) => {
                place.deleted.insert(event.message_id);
                event.cursor
            }
            Event::ChatUpdated(event) => event.cursor,
            Event::ChatDeleted(event) => event.cursor,
            Event::TypingChanged(event) => event.cursor,
        };
        place.cursor = Some(cursor);
        place.is_gone = is_last;
    }
    if place.is_gone {
        return Ok(());
    }
    Err(server.lost_because("it ended the subscription"))
}

impl Place {
    /// Something that cannot be explained, of the chat or of a message in it.
    fn fault(&mut self, id: &str, what: String) {
        let mut view = View::new(id.to_owned(), Face::Chat);
        view.fault(what);
        self.ended.push(view);
    }

    /// Something came of a message, whose deletion must not have come before.
    fn must_be_there(&mut self, id: &str) {
        if self.deleted.contains(id) {
            self.fault(id, "something came of it after its deletion".to_owned());
        }
    }

    /// The view of a reply whose beginning was told.
    fn under_way(&mut self, reply: String) -> &mut View {
        self.views.entry(reply.clone()).or_insert_with(|| {
            let mut view = View::new(reply, Face::Chat);
            view.fault("it goes on, or ends, and its beginning was never told".to_owned());
            view
        })
    }
}
