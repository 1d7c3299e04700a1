//! One who follows a reply to its end, over lines that break and servers that die, behind its cursor.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use crate::cli::client::{ClientError, ReplyState, Server, Subscription};
use crate::cli::verify::bot::answers;
use crate::cli::verify::crew::Crew;
use crate::cli::verify::ledger::{GONE, now};
use crate::cli::verify::operations::{FollowReply, follow_reply};
use crate::cli::verify::view::{Face, View};

/// How long a handshake may take, and how long a line may be silent. A reply that waits for its turn is as silent as a
/// line that is dead, so a follower looks elsewhere.
pub const SILENCE_MAX: Duration = Duration::from_secs(4);
/// One line of so many is left for another one though nothing is wrong with it.
const LEFT_ONE_OF: u32 = 3;
/// When, in milliseconds.
const LEFT_AFTER_MS: std::ops::Range<u64> = 50..2_500;

/// What the bot says to one prompt, as far as that is known.
pub struct Said<'a> {
    crew: &'a Crew,
    prompt: usize,
    answers: Vec<String>,
}

impl<'a> Said<'a> {
    /// What it says to the prompt of this number.
    pub fn to(crew: &'a Crew, prompt: usize) -> Self {
        Self {
            crew,
            prompt,
            answers: Vec::new(),
        }
    }

    /// How a text differs from what the bot says, if it is the beginning of no answer to this prompt.
    fn unlike(&mut self, shown: &str) -> Option<String> {
        answers::unlike(&self.answers, shown)?;
        // It may have been called since; a call is noted before anything is said in it.
        self.answers = self.crew.ledger.note(|notes| answers::to(notes, self.prompt));
        answers::unlike(&self.answers, shown)
    }
}

/// Follows the reply to a prompt: how it ended, as far as that was seen.
pub async fn follow(crew: Arc<Crew>, reply: String, prompt: usize, mut rng: Rng) -> Option<ReplyState> {
    let mut view = View::new(reply, Face::Reply);
    let mut cursor = None;
    let mut said = Said::to(&crew, prompt);
    while view.state.is_none() {
        let server = crew.fleet.any(&mut rng).clone();
        view.server = server.index;
        let stay = match rng.u32(..LEFT_ONE_OF) {
            0 => Duration::from_millis(rng.u64(LEFT_AFTER_MS)),
            _ => Duration::MAX,
        };
        let line = tokio::time::timeout(
            stay,
            over_one_line(&server.server, &mut view, &mut cursor, &mut said, usize::MAX),
        );
        let Some(broke) = crew.over.run_until_cancelled(line).await else {
            break;
        };
        match broke {
            Ok(Err(error)) if error.code() == Some(GONE) => {
                view.is_gone = true;
                break;
            }
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

/// Follows a reply over one line of a server: to its end, or until there are so many `bytes`, or to the line's end,
/// which is an error.
pub async fn over_one_line(
    server: &Server,
    view: &mut View,
    cursor: &mut Option<String>,
    said: &mut Said<'_>,
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
        // Whatever is shown is the beginning of an answer to this prompt, at any time.
        if let Some(difference) = said.unlike(&view.text) {
            view.fault(format!("it was shown {difference}"));
        }
        *cursor = Some(place);
        if view.text.len() >= bytes {
            return Ok(());
        }
    }
}
