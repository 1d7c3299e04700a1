//! Does what a client asks for, one thing after the other.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::sync::mpsc;
use tracing::Instrument;

use super::Leave;
use super::stage::{Answer, Own};
use super::talker::Told;
use crate::domain::{ChatId, Language, LanguageTag, MessageId, TimeZone, Viewer, WhileReplying};
use crate::legacy::frame::Upload;
use crate::legacy::texts;
use crate::service::{ChatFollower, Error, Manner, Prompt, ReplyUpdate, Service, Session, Subject};
use crate::telemetry::causes::causes;
use crate::telemetry::faces::{self, Face};
use crate::telemetry::spans;

/// What a client asks for.
pub(super) enum Command {
    Upload(Upload),
    /// With what to echo.
    Stop(String),
    /// Nothing that is known. In a chat that is not there even that is refused.
    Ignore,
    /// Something that is refused with these words.
    Refuse(String),
}

impl Command {
    fn name(&self) -> &'static str {
        match self {
            Self::Upload(_) => "upload",
            Self::Stop(_) => "stop",
            Self::Ignore | Self::Refuse(_) => "other",
        }
    }
}

pub(super) struct Worker {
    service: Arc<Service>,
    session: Session,
    chat: Option<ChatId>,
    after: Option<String>,
    tell: mpsc::Sender<Told>,
    leave: Leave,
    is_followed: bool,
    /// Commands next in the queue that had come before the chat was last seen: it is not looked for again for each.
    covered: usize,
}

impl Worker {
    /// A worker for a socket of a chat, which may not exist.
    pub(super) fn new(
        service: Arc<Service>,
        session: Session,
        chat: Option<ChatId>,
        after: Option<String>,
        tell: mpsc::Sender<Told>,
        leave: Leave,
    ) -> Self {
        Self {
            service,
            session,
            chat,
            after,
            tell,
            leave,
            is_followed: false,
            covered: 0,
        }
    }

    /// Works until nobody can ask for anything more.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        while let Some(command) = queue.recv().await {
            let language = match &command {
                Command::Upload(upload) => language_of(upload),
                _ => Language::English,
            };
            let is_named = matches!(&command, Command::Upload(upload) if upload.client_message_id.is_some());
            let span = spans::frame(command.name());
            if let Err(error) = self.work(command, queue.len()).instrument(span).await {
                // Whoever names a message sends it again where it comes back; to anybody else it is told.
                if is_named && matches!(error, Error::ShuttingDown) && self.leave.drain.sends_away() {
                    self.leave.now.cancel();
                    continue;
                }
                faces::error(Face::Mt, error.code());
                self.tell(match error {
                    Error::NotFound(Subject::Chat) => Told::Denied,
                    error => {
                        tracing::debug!(error = %causes(&error), "a frame was refused");
                        Told::Error(texts::refusal(language, &error))
                    }
                })
                .await;
            }
        }
    }

    /// Does one thing, behind which so many wait.
    async fn work(&mut self, command: Command, waiting: usize) -> Result<(), Error> {
        self.service.count_message(&self.session)?;
        let chat = match &command {
            Command::Ignore | Command::Refuse(_) => self.see(waiting).await?,
            Command::Upload(_) | Command::Stop(_) => {
                self.covered = 0;
                self.enter().await?
            }
        };
        match command {
            Command::Upload(upload) => self.upload(chat, upload).await,
            Command::Stop(echo) => {
                self.tell(Told::Stopping).await;
                let stopped = self.service.stop_replies(&self.session.viewer, chat).await;
                let ids = match &stopped {
                    Ok(messages) => messages.iter().map(|message| message.id).collect(),
                    Err(_) => Vec::new(),
                };
                self.tell(Told::Stopped { echo, ids }).await;
                stopped.map(|_| ())
            }
            Command::Ignore => Ok(()),
            Command::Refuse(words) => {
                self.tell(Told::Error(words)).await;
                Ok(())
            }
        }
    }

    /// The chat, if it was there at any moment since a frame came that changes nothing in it: so a flood of them is not
    /// one of reads.
    async fn see(&mut self, waiting: usize) -> Result<ChatId, Error> {
        match (self.chat, self.covered.checked_sub(1)) {
            (Some(chat), Some(covered)) => {
                self.covered = covered;
                Ok(chat)
            }
            _ => {
                let chat = self.enter().await?;
                self.covered = waiting;
                Ok(chat)
            }
        }
    }

    /// The chat, if it is there, which from then on is followed.
    pub(super) async fn enter(&mut self) -> Result<ChatId, Error> {
        let chat = self.chat.ok_or(Error::NotFound(Subject::Chat))?;
        if self.is_followed {
            self.service.chat(&self.session.viewer, chat).await?;
            return Ok(chat);
        }
        let mut follower = self.follow(chat).await?;
        if self.after.is_none() {
            // That nothing of before is told, which nobody here asked for; the replies under way come next. Taken now,
            // so that they are not mistaken for those that are asked for later.
            follower.next().await;
        }
        let place = follower.cursor();
        self.is_followed = true;
        let updates = stream::unfold(follower, |mut follower| async move {
            let update = follower.next().await?;
            Some((update, follower))
        });
        let updates = updates.boxed();
        self.tell(Told::Follow { updates, place }).await;
        Ok(chat)
    }

    async fn follow(&mut self, chat: ChatId) -> Result<ChatFollower, Error> {
        let after = self.after.as_deref();
        match self.service.follow_chat(&self.session.viewer, chat, after).await {
            // A cursor that is none is as good as none.
            Err(Error::InvalidCursor) => {
                self.after = None;
                self.service.follow_chat(&self.session.viewer, chat, None).await
            }
            followed => followed,
        }
    }

    async fn upload(&mut self, chat_id: ChatId, upload: Upload) -> Result<(), Error> {
        let language = language_of(&upload);
        let prompt = Prompt {
            chat_id,
            text: upload.message,
            client_key: upload.client_message_id,
            while_replying: WhileReplying::Queue,
            manner: Manner {
                language: LanguageTag::parse(&upload.selected_language).map(|tag| tag.as_str().to_owned()),
                timezone: TimeZone::parse(&upload.timezone).map(|zone| zone.name().to_owned()),
                faults: None,
            },
            is_legacy: true,
        };
        self.tell(Told::Sending).await;
        let sent = self.service.send_message(&self.session.viewer, prompt).await;
        let sent = match sent {
            Ok(sent) => sent,
            Err(error) => {
                self.tell(Told::NotSent).await;
                return Err(error);
            }
        };
        // Of one that an earlier sending began the chat tells nothing more.
        let joined = match sent.joins {
            true => replay(&self.service, &self.session.viewer, sent.reply.id)
                .await
                .ok(),
            false => None,
        };
        let answer = Answer {
            message: sent.message,
            user_id: upload.user_id,
            reply_id: sent.reply.id,
            own: Own {
                is_unconfirmed: upload.is_unconfirmed,
                language,
            },
            joined,
        };
        self.tell(Told::Sent(Box::new(answer))).await;
        Ok(())
    }

    async fn tell(&self, told: Told) {
        // A client that has left is told nothing; what it asked for is done all the same.
        let _ = self.tell.send(told).await;
    }
}

/// A reply from its beginning.
pub(super) async fn replay(
    service: &Service,
    viewer: &Viewer,
    id: MessageId,
) -> Result<BoxStream<'static, ReplyUpdate>, Error> {
    let reader = service.follow_reply(viewer, id, None).await?;
    let updates = stream::unfold(reader, |mut reader| async move {
        let update = reader.next().await?;
        Some((update, reader))
    });
    Ok(updates.boxed())
}

/// The language of the fixed texts that an upload gets.
pub(super) fn language_of(upload: &Upload) -> Language {
    Language::from_tag(&upload.selected_language).unwrap_or(Language::English)
}
