//! Follows one reply to its end over as many connections as that takes.

use super::assembly::{Assembly, Show};
use super::error::ChatError;
use super::operations::{FollowReply, follow_reply};
use super::screen::Screen;
use super::words::Ending;
use crate::cli::client::{Server, Subscription, patience};

/// One who follows a reply and prints it.
pub struct Follower<'a> {
    server: &'a Server,
    screen: &'a Screen,
    reply: String,
    assembly: Assembly,
    /// The place behind what came.
    cursor: Option<String>,
}

impl<'a> Follower<'a> {
    /// Stands at a reply's beginning.
    pub fn new(server: &'a Server, screen: &'a Screen, reply: String) -> Self {
        Self {
            server,
            screen,
            reply,
            assembly: Assembly::default(),
            cursor: None,
        }
    }

    /// Prints the reply from where it stands to its end.
    pub async fn follow(&mut self) -> Result<Ending, ChatError> {
        let mut pauses = patience();
        // The first failure heals unnoticed as a rule, and a note would tear the text apart.
        let mut failures = 0;
        loop {
            let before = self.cursor.clone();
            let error = match self.over_one_line().await {
                Ok(ending) => return Ok(ending),
                Err(error) if error.is_passing() => error,
                Err(error) => return Err(error),
            };
            if self.cursor != before {
                pauses = patience();
                failures = 0;
            }
            failures += 1;
            if failures == 2 {
                self.screen.note_within(&format!("{error}; trying again"));
            }
            let Some(pause) = pauses.next() else {
                return Err(error);
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Ends the line of what was printed, however it came to that.
    pub fn end_line(&self) -> Result<(), ChatError> {
        if !self.assembly.is_empty() {
            self.screen.text("\n")?;
        }
        Ok(())
    }

    async fn over_one_line(&mut self) -> Result<Ending, ChatError> {
        use follow_reply::FollowReplyReply as Event;

        let variables = follow_reply::Variables {
            message_id: self.reply.clone(),
            after: self.cursor.clone(),
        };
        let mut events = Subscription::start::<FollowReply>(self.server, variables).await?;
        while let Some(data) = events.next::<follow_reply::ResponseData>().await? {
            let (show, cursor) = match data.reply {
                Event::ReplySnapshot(event) => (self.assembly.snapshot(&event.text), event.cursor),
                Event::ReplyPartial(event) => (self.assembly.partial(&event.text), event.cursor),
                Event::ReplyFinished(event) => {
                    let show = self.assembly.end();
                    print(self.screen, show)?;
                    let reply = event.message.reply;
                    return reply
                        .map(Ending::from)
                        .ok_or_else(|| self.server.strange("a reply that is none").into());
                }
            };
            print(self.screen, show)?;
            self.cursor = Some(cursor);
        }
        Err(self
            .server
            .lost_because("it ended the subscription before the reply")
            .into())
    }
}

fn print(screen: &Screen, show: Show<'_>) -> Result<(), ChatError> {
    match show {
        Show::Nothing => {}
        Show::More(text) => screen.text(text)?,
        Show::Again(text) => {
            screen.text("\n")?;
            screen.note("what stands above was not kept by the server; the reply is, from its beginning:");
            screen.text(text)?;
        }
    }
    Ok(())
}
