//! One who follows a reply to its end, over lines that break and servers that die, behind its cursor.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use crate::cli::client::{ClientError, ReplyState, Server, Subscription};
use crate::cli::verify::crew::Crew;
use crate::cli::verify::ledger::now;
use crate::cli::verify::operations::{FollowReply, follow_reply};
use crate::cli::verify::view::{Face, View, difference};

/// How long a handshake may take, and how long a line may be silent. A reply that waits for its turn is as silent as a
/// line that is dead, so a follower looks elsewhere.
pub const SILENCE_MAX: Duration = Duration::from_secs(4);
/// One line of so many is left for another one though nothing is wrong with it.
const LEFT_ONE_OF: u32 = 3;
/// When, in milliseconds.
const LEFT_AFTER_MS: std::ops::Range<u64> = 50..2_500;

/// Follows a reply whose whole text would be `answer`: how it ended, as far as that was seen.
pub async fn follow(crew: Arc<Crew>, reply: String, answer: Arc<str>, mut rng: Rng) -> Option<ReplyState> {
    let mut view = View::new(reply, Face::Reply);
    let mut cursor = None;
    while view.state.is_none() {
        let server = crew.fleet.any(&mut rng).clone();
        let stay = match rng.u32(..LEFT_ONE_OF) {
            0 => Duration::from_millis(rng.u64(LEFT_AFTER_MS)),
            _ => Duration::MAX,
        };
        let line = tokio::time::timeout(
            stay,
            over_one_line(&server.server, &mut view, &mut cursor, &answer, usize::MAX),
        );
        let Some(broke) = crew.over.run_until_cancelled(line).await else {
            break;
        };
        match broke {
            Ok(Err(error)) if !error.is_passing() => {
                view.fault(error.to_string());
                break;
            }
            Ok(Ok(())) => break,
            // It broke, or was left.
            _ => view.broke(),
        }
        if crew.pause(&mut rng).await.is_none() {
            break;
        }
    }
    let state = view.state;
    crew.ledger.note(|notes| notes.views.push(view));
    state
}

/// Follows a reply over one line of a server: to its end, or until there are so many `bytes`, or to the line's end, which
/// is an error.
pub async fn over_one_line(
    server: &Server,
    view: &mut View,
    cursor: &mut Option<String>,
    answer: &str,
    bytes: usize,
) -> Result<(), ClientError> {
    use follow_reply::FollowReplyReply as Event;

    let silent = || server.lost_because("it is silent");
    let variables = follow_reply::Variables {
        message_id: view.reply.clone(),
        after: cursor.clone(),
    };
    let start = Subscription::start::<FollowReply>(server, variables);
    let mut events = tokio::time::timeout(SILENCE_MAX, start)
        .await
        .map_err(|_| silent())??;
    loop {
        let event = tokio::time::timeout(SILENCE_MAX, events.next::<follow_reply::ResponseData>());
        let Some(data) = event.await.map_err(|_| silent())?? else {
            return Err(server.lost_because("it ended the subscription before the reply"));
        };
        let at = now();
        let place = match data.reply {
            Event::ReplySnapshot(event) => {
                view.snapshot(at, &event.text);
                event.cursor
            }
            Event::ReplyPartial(event) => {
                view.partial(at, &event.text);
                event.cursor
            }
            Event::ReplyFinished(event) => {
                let state = event
                    .message
                    .reply
                    .map_or(ReplyState::Unknown, |reply| reply.state);
                view.end(state, Some(&event.message.text));
                return Ok(());
            }
        };
        // The bot is deterministic: whatever is shown is the beginning of its answer, at any time.
        if !answer.starts_with(&view.text) {
            view.fault(format!("it was shown {}", difference(&view.text, answer)));
        }
        *cursor = Some(place);
        if view.text.len() >= bytes {
            return Ok(());
        }
    }
}
