//! One who follows a chat all the time, and assembles each of its replies.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use super::reply_follower::SILENCE_MAX;
use crate::cli::client::{ClientError, ReplyState, Server, Subscription};
use crate::cli::verify::crew::Crew;
use crate::cli::verify::ledger::now;
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
}

/// Follows a chat until all is over.
pub async fn follow(crew: Arc<Crew>, chat: String, mut rng: Rng) {
    let mut place = Place::default();
    loop {
        let server = crew.fleet.any(&mut rng).clone();
        let stay = Duration::from_millis(rng.u64(STAYS_MS));
        let line = tokio::time::timeout(stay, over_one_line(&server.server, &chat, &mut place));
        let line = crew.over.run_until_cancelled(line).await;
        if let Some(Ok(Err(error))) = &line
            && !error.is_passing()
        {
            let mut view = View::new(chat.clone(), Face::Chat);
            view.fault(error.to_string());
            place.ended.push(view);
        }
        let ended = std::mem::take(&mut place.ended);
        crew.ledger.note(|notes| notes.views.extend(ended));
        if line.is_none() || crew.pause(&mut rng).await.is_none() {
            break;
        }
        place.views.values_mut().for_each(View::broke);
    }
    // What was not told to its end is told for its faults alone.
    let rest = place.views.into_values().filter(|view| !view.faults.is_empty());
    crew.ledger.note(|notes| notes.views.extend(rest));
}

async fn over_one_line(server: &Server, chat: &str, place: &mut Place) -> Result<(), ClientError> {
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
        let cursor = match data.chat {
            Event::ReplySnapshot(event) => {
                let id = event.message.id;
                let view = place.views.entry(id.clone());
                view.or_insert_with(|| View::new(id, Face::Chat))
                    .snapshot(at, &event.text);
                event.cursor
            }
            Event::ReplyPartial(event) => {
                place.under_way(event.message_id).partial(at, &event.text);
                event.cursor
            }
            Event::ReplyFinished(event) => {
                let message = event.message;
                let state = message.reply.map_or(ReplyState::Unknown, |reply| reply.state);
                let view = place.under_way(message.id.clone());
                view.end(state, Some(&message.text));
                let view = place.views.remove(&message.id);
                place.ended.extend(view);
                event.cursor
            }
            Event::ChatResync(event) => event.cursor,
            Event::MessageAdded(event) => event.cursor,
            Event::MessageUpdated(event) => event.cursor,
            Event::MessageDeleted(event) => event.cursor,
            Event::ChatUpdated(event) => event.cursor,
            Event::ChatDeleted(event) => event.cursor,
            Event::TypingChanged(event) => event.cursor,
        };
        place.cursor = Some(cursor);
    }
    Err(server.lost_because("it ended the subscription"))
}

impl Place {
    /// The view of a reply whose beginning was told.
    fn under_way(&mut self, reply: String) -> &mut View {
        self.views.entry(reply.clone()).or_insert_with(|| {
            let mut view = View::new(reply, Face::Chat);
            view.fault("it goes on, or ends, and its beginning was never told".to_owned());
            view
        })
    }
}
