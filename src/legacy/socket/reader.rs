//! Reads what a client sends, and hands it on.

use std::pin::pin;

use axum::extract::ws::Message;
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::talker::Told;
use super::worker::{Command, language_of};
use super::{Close, DEAD_PEER, Leave, TOO_BIG};
use crate::legacy::frame::{ClientFrame, DecodeError};
use crate::legacy::texts;
use crate::peer::{SILENCE_MAX, sent_too_much};
use crate::telemetry::faces::{self, Face};

pub(super) struct Reader {
    pub(super) text_bytes_max: usize,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) tell: mpsc::Sender<Told>,
    pub(super) leave: Leave,
}

impl Reader {
    /// Reads until the socket ends; why the server closes it, or `None` if the client did.
    pub(super) async fn read<S>(self, stream: &mut S) -> Option<Close>
    where
        S: Stream<Item = Result<Message, axum::Error>> + Unpin,
    {
        let mut departure = pin!(self.leave.told());
        let mut last_heard = Instant::now();
        loop {
            let received = tokio::select! {
                biased;
                reason = &mut departure => return Some(reason),
                received = stream.next() => received?,
                () = tokio::time::sleep_until(last_heard + SILENCE_MAX) => return Some(DEAD_PEER),
            };
            last_heard = Instant::now();
            let frame = match received {
                Ok(Message::Text(text)) => ClientFrame::decode(text.as_bytes()),
                Ok(Message::Binary(_)) => Err(DecodeError::NotJson),
                Ok(Message::Ping(_) | Message::Pong(_)) => continue,
                Ok(Message::Close(_)) => return None,
                Err(error) => return sent_too_much(&error).then_some(TOO_BIG),
            };
            tokio::select! {
                reason = &mut departure => return Some(reason),
                () = self.hand_on(frame) => {}
            }
        }
    }

    async fn hand_on(&self, frame: Result<ClientFrame, DecodeError>) {
        let command = match frame {
            // Nobody needs to know the chat for that.
            Err(DecodeError::NotJson) => {
                faces::error(Face::Mt, "BAD_REQUEST");
                let _ = self.tell.send(Told::Error(texts::INVALID_JSON.to_owned())).await;
                return;
            }
            Err(DecodeError::Unprocessable) => {
                faces::error(Face::Mt, "BAD_USER_INPUT");
                Command::Refuse(texts::UNPROCESSABLE.to_owned())
            }
            Ok(ClientFrame::Unknown) => Command::Ignore,
            Ok(ClientFrame::Stop { message }) => Command::Stop(message),
            // Refused before it waits for anything, so that what waits is bounded.
            Ok(ClientFrame::Upload(upload)) if upload.message.len() > self.text_bytes_max => {
                faces::error(Face::Mt, "INVALID_TEXT");
                Command::Refuse(texts::too_long(language_of(&upload), self.text_bytes_max))
            }
            Ok(ClientFrame::Upload(upload)) => Command::Upload(upload),
        };
        // The worker is there as long as somebody can send to it.
        let _ = self.commands.send(command).await;
    }
}
