//! A conversation: the chat that is open, and what can be done in it.

use std::future::Future;
use std::pin::pin;

use futures_util::FutureExt;
use futures_util::future::Fuse;
use unicode_segmentation::UnicodeSegmentation;

use super::command::{Command, HELP};
use super::error::ChatError;
use super::follow::Follower;
use super::interrupts::Interrupts;
use super::operations::{
    AddReaction, Chats, CreateChat, DeleteChat, OpenChat, RegenerateReply, SendMessage, StopReply, Viewer,
    add_reaction, chats, create_chat, delete_chat, open_chat, regenerate_reply, send_message, stop_reply,
    viewer,
};
use super::screen::Screen;
use super::words::Ending;
use crate::cli::client::{ClientError, ReplyState, Server, UserId};

/// How much of its first message becomes a chat's title.
const TITLE_LETTERS_MAX: usize = 60;

/// Whose conversation it is, and how to hold it.
pub struct Manners {
    /// Whose chats to make and list, if not the caller's own.
    pub user: Option<UserId>,
    /// The language to be answered in.
    pub language: Option<String>,
    /// Whether a person types, who knows commands and wants to see more than replies.
    pub is_interactive: bool,
}

/// Whether to go on.
#[derive(PartialEq)]
pub enum Next {
    /// There may be more.
    GoOn,
    /// That was the last.
    Leave,
}

/// A conversation.
pub struct Session<'a> {
    server: &'a Server,
    screen: &'a Screen,
    manners: Manners,
    chat: Option<Chat>,
    /// Whether a reply ended otherwise than it should have.
    pub has_failed: bool,
    /// Whether Ctrl-C stopped a reply.
    pub has_stopped: bool,
}

/// The chat that is open.
struct Chat {
    id: String,
    title: String,
    last_reply: Option<String>,
}

impl<'a> Session<'a> {
    /// A conversation with no chat open.
    pub fn new(server: &'a Server, screen: &'a Screen, manners: Manners) -> Self {
        Self {
            server,
            screen,
            manners,
            chat: None,
            has_failed: false,
            has_stopped: false,
        }
    }

    /// Finds out whether the server is there, and greets.
    pub async fn greet(&self) -> Result<(), ChatError> {
        let viewer = self.server.ask::<Viewer>(viewer::Variables {}).await?.viewer;
        if self.manners.is_interactive {
            let user = self.manners.user.as_ref().unwrap_or(&viewer.user_id);
            let place = self.server.place();
            self.screen
                .note(&format!("you are {user} at {place}; /help says what you can do"));
        }
        Ok(())
    }

    /// Does what an entry says.
    pub async fn take(&mut self, entry: &str, interrupts: &mut Interrupts) -> Result<Next, ChatError> {
        let command = Command::parse(entry).filter(|_| self.manners.is_interactive);
        match command {
            None => self.say(entry, interrupts).await?,
            Some(Err(mistake)) => return Err(ChatError::Misuse(mistake.to_string())),
            Some(Ok(Command::Quit)) => return Ok(Next::Leave),
            Some(Ok(command)) => self.obey(command, interrupts).await?,
        }
        Ok(Next::GoOn)
    }

    async fn obey(&mut self, command: Command, interrupts: &mut Interrupts) -> Result<(), ChatError> {
        match command {
            Command::Help => Ok(self.screen.line(HELP)?),
            Command::Chats => unless(interrupts, self.list()).await,
            Command::Open(id) => self.open(id, interrupts).await,
            Command::New(title) => self.begin(title, interrupts).await,
            Command::Regenerate => self.regenerate(interrupts).await,
            Command::React { id, emoji } => unless(interrupts, self.react(id, emoji)).await,
            Command::Delete { is_sure } => self.delete(is_sure, interrupts).await,
            // The caller's business.
            Command::Quit => Ok(()),
        }
    }

    /// Begins a chat: at once if it has a title, or with its first message.
    pub async fn begin(
        &mut self,
        title: Option<String>,
        interrupts: &mut Interrupts,
    ) -> Result<(), ChatError> {
        self.chat = None;
        match title {
            Some(title) => unless(interrupts, self.create(title)).await,
            None => {
                self.screen.note("the next message begins a new chat");
                Ok(())
            }
        }
    }

    async fn create(&mut self, title: String) -> Result<(), ChatError> {
        let user_id = self.manners.user.clone();
        let variables = create_chat::Variables { title, user_id };
        let chat = self.server.ask::<CreateChat>(variables).await?.create_chat.chat;
        self.screen
            .note(&format!("chat {}: {}", chat.id, on_one_line(&chat.title)));
        self.chat = Some(Chat {
            id: chat.id,
            title: chat.title,
            last_reply: None,
        });
        Ok(())
    }

    /// Goes on with a chat; a person is shown its latest messages, and what is being said there.
    pub async fn open(&mut self, id: String, interrupts: &mut Interrupts) -> Result<(), ChatError> {
        let asking = self
            .server
            .insist::<OpenChat>(open_chat::Variables { id: id.clone() });
        let Some(chat) = unless(interrupts, asking).await?.chat else {
            return Err(ClientError::Refused {
                code: Some("NOT_FOUND".to_owned()),
                message: format!("there is no chat {id}, or it is somebody else's"),
            }
            .into());
        };
        let title = on_one_line(&chat.title);
        self.screen.note(&format!(
            "chat {}: {title}; {} messages",
            chat.id, chat.message_count
        ));
        self.chat = Some(Chat {
            id: chat.id,
            title: chat.title,
            last_reply: chat.replies.nodes.into_iter().next().map(|reply| reply.id),
        });
        if self.manners.is_interactive {
            for message in chat.messages.nodes {
                self.show(message, interrupts).await?;
            }
        }
        Ok(())
    }

    async fn show(
        &mut self,
        message: open_chat::OpenChatChatMessagesNodes,
        interrupts: &mut Interrupts,
    ) -> Result<(), ChatError> {
        let reaction = message.reaction.map(|reaction| format!(" {reaction}"));
        let author = match message.author {
            open_chat::Author::USER => "user",
            _ => "bot",
        };
        let reaction = reaction.unwrap_or_default();
        self.screen.note(&format!("{author} {}{reaction}", message.id));
        match message.reply.map(Ending::from) {
            Some(ending) if ending.state == ReplyState::Streaming => {
                self.watch(message.id, false, interrupts).await
            }
            ending => {
                self.screen.line(&message.text)?;
                if let Some(words) = ending.and_then(|ending| ending.words()) {
                    self.screen.note(&words);
                }
                Ok(())
            }
        }
    }

    async fn list(&self) -> Result<(), ChatError> {
        let user_id = self.manners.user.clone();
        let page = self
            .server
            .insist::<Chats>(chats::Variables { user_id })
            .await?
            .chats;
        for chat in page.nodes {
            let is_open = self.chat.as_ref().is_some_and(|open| open.id == chat.id);
            let mark = if is_open { '*' } else { ' ' };
            let title = on_one_line(&chat.title);
            let messages = chat.message_count;
            self.screen.line(&format!(
                "{mark} {} {} {messages:>5} {title}",
                chat.id, chat.updated_at
            ))?;
        }
        if page.page_info.has_next_page {
            self.screen.note("and more");
        }
        Ok(())
    }

    /// Sends a message and prints the reply.
    async fn say(&mut self, text: &str, interrupts: &mut Interrupts) -> Result<(), ChatError> {
        if self.chat.is_none() {
            unless(interrupts, self.create(title_of(text))).await?;
        }
        let variables = send_message::Variables {
            chat_id: self.open_chat()?.id.clone(),
            text: text.to_owned(),
            client_key: client_key()?,
            language: self.manners.language.clone(),
        };
        let server = self.server;
        let sending = async move {
            let sent = server.insist::<SendMessage>(variables).await?;
            Ok(sent.send_message.reply.id)
        };
        self.hear(sending, interrupts).await
    }

    async fn regenerate(&mut self, interrupts: &mut Interrupts) -> Result<(), ChatError> {
        let last = self.open_chat()?.last_reply.clone();
        let variables = regenerate_reply::Variables {
            message_id: last.ok_or_else(|| ChatError::Misuse("there is no reply yet".to_owned()))?,
            client_key: client_key()?,
            language: self.manners.language.clone(),
        };
        let server = self.server;
        let asking = async move {
            let asked = server.insist::<RegenerateReply>(variables).await?;
            Ok(asked.regenerate_reply.reply.id)
        };
        self.hear(asking, interrupts).await
    }

    /// Waits until a reply is asked for, and prints it.
    async fn hear(
        &mut self,
        asking: impl Future<Output = Result<String, ChatError>>,
        interrupts: &mut Interrupts,
    ) -> Result<(), ChatError> {
        let mut asking = pin!(asking);
        let mut wants_stop = false;
        let reply = loop {
            tokio::select! {
                reply = &mut asking => break reply?,
                // It may have been heard, so that only a stop ends it. Whoever cannot wait for that says so twice.
                () = interrupts.next() => {
                    if wants_stop {
                        return Err(ChatError::GivenUp);
                    }
                    wants_stop = true;
                    self.screen.note("to be stopped as soon as the server has it; Ctrl-C gives up");
                }
            }
        };
        if let Some(chat) = &mut self.chat {
            chat.last_reply = Some(reply.clone());
        }
        self.watch(reply, wants_stop, interrupts).await
    }

    /// Prints a reply to its end; Ctrl-C stops it, and a second one gives up waiting for that.
    async fn watch(
        &mut self,
        reply: String,
        mut wants_stop: bool,
        interrupts: &mut Interrupts,
    ) -> Result<(), ChatError> {
        let mut follower = Follower::new(self.server, self.screen, reply.clone());
        let ended = {
            let mut following = pin!(follower.follow());
            let mut stopping = pin!(Fuse::terminated());
            if wants_stop {
                stopping.set(self.stop(reply.clone()).fuse());
            }
            loop {
                tokio::select! {
                    ended = &mut following => break ended,
                    stopped = &mut stopping => {
                        if let Err(error) = stopped {
                            self.screen.complain(&error);
                            wants_stop = false;
                        }
                    }
                    () = interrupts.next() => {
                        if wants_stop {
                            break Err(ChatError::GivenUp);
                        }
                        wants_stop = true;
                        stopping.set(self.stop(reply.clone()).fuse());
                    }
                }
            }
        };
        follower.end_line()?;
        self.has_stopped |= wants_stop;
        let ending = ended?;
        self.has_failed |= !ending.is_success();
        match (self.manners.is_interactive, ending.words()) {
            (true, Some(words)) => self.screen.note(&format!("{reply} {words}")),
            // By this name it can be reacted to.
            (true, None) => self.screen.note(&reply),
            (false, Some(words)) => self.screen.note(&words),
            (false, None) => {}
        }
        Ok(())
    }

    async fn stop(&self, message_id: String) -> Result<(), ChatError> {
        let variables = stop_reply::Variables { message_id };
        Ok(self.server.insist::<StopReply>(variables).await.map(drop)?)
    }

    async fn react(&self, message_id: String, reaction: String) -> Result<(), ChatError> {
        let variables = add_reaction::Variables { message_id, reaction };
        // The last one wins, so that it may be heard twice.
        Ok(self.server.insist::<AddReaction>(variables).await.map(drop)?)
    }

    async fn delete(&mut self, is_sure: bool, interrupts: &mut Interrupts) -> Result<(), ChatError> {
        let chat = self.open_chat()?;
        if !is_sure {
            let title = on_one_line(&chat.title);
            self.screen.note(&format!(
                "this deletes \"{title}\" with all its messages; say /delete yes"
            ));
            return Ok(());
        }
        let id = chat.id.clone();
        unless(
            interrupts,
            self.server.ask::<DeleteChat>(delete_chat::Variables { id }),
        )
        .await?;
        self.chat = None;
        self.screen.note("deleted; the next message begins a new chat");
        Ok(())
    }

    fn open_chat(&self) -> Result<&Chat, ChatError> {
        let chat = self.chat.as_ref();
        chat.ok_or_else(|| ChatError::Misuse("no chat is open; /open ID, or say something".to_owned()))
    }
}

/// Waits for something unless Ctrl-C says that it is not worth it.
async fn unless<T, E: Into<ChatError>>(
    interrupts: &mut Interrupts,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, ChatError> {
    tokio::select! {
        done = work => done.map_err(Into::into),
        () = interrupts.next() => Err(ChatError::GivenUp),
    }
}

/// A name for a message that nobody else gives.
fn client_key() -> Result<String, ChatError> {
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(format!("{:032x}", u128::from_ne_bytes(key)))
}

/// The title of a chat that a message begins.
fn title_of(message: &str) -> String {
    let line = on_one_line(message);
    match line.grapheme_indices(true).nth(TITLE_LETTERS_MAX) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default().trim_end()),
        None => line,
    }
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_the_beginning_of_a_message_in_whole_letters() {
        assert_eq!(title_of(" Tell me\nabout  the sea "), "Tell me about the sea");
        let title = title_of(&"क्षि".repeat(100));
        assert_eq!(title, format!("{}…", "क्षि".repeat(TITLE_LETTERS_MAX)));
    }
}
