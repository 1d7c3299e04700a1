//! Exchanges that the store did not confirm: a task looks for them, and generates the reply if both halves are stored.

use std::time::Duration;

use futures_util::FutureExt;

use super::beginning::Beginning;
use super::{LEASE, look_for};
use crate::domain::{Chat, ChatEvent, Message};
use crate::store::{Checkpointed, Claim, StoreError};
use crate::telemetry::causes::causes;

/// How long to look for an exchange once the store answers but does not show both halves. Shorter than the lease, after
/// which another server closes the reply.
const SETTLED_AFTER: Duration = Duration::from_secs(7);

/// What the store has of an exchange.
enum Found {
    /// Both halves, and the lease of the reply was renewed.
    Whole {
        chat: Box<Chat>,
        prompt: Option<Box<Message>>,
        reply: Box<Message>,
    },
    /// The prompt only: its reply was deleted meanwhile.
    Prompt(Box<Message>),
    /// The reply, which another server has ended and published meanwhile.
    Ended,
    /// The reply is stored, without its prompt.
    Half,
    /// Neither is stored.
    Nothing,
}

impl Beginning {
    /// Looks whether the exchange was stored, and if so generates its reply. Stores no exchange that is missing: the
    /// caller got an error, and may have sent the prompt again.
    pub(super) async fn find_out(self) {
        let engine = self.place.engine.clone();
        let is_final = |found: &Found| !matches!(found, Found::Half | Found::Nothing);
        let looking = look_for(SETTLED_AFTER, is_final, || self.look().boxed());
        // During shutdown the reply is left to another server, which closes it when its lease has expired.
        let Some(found) = engine.shutdown.run_until_cancelled(looking).await else {
            return;
        };
        match found {
            Ok(Some(Found::Whole { chat, prompt, reply })) => match self.history_end(prompt.as_deref()) {
                Some(until) => self.start(&chat, prompt.as_deref(), &reply, until).await,
                None => self.remove_half().await,
            },
            Ok(Some(Found::Prompt(prompt))) => {
                let added = ChatEvent::message_added(&prompt);
                engine.feed.publish(prompt.chat_id, added).await;
            }
            Ok(Some(Found::Half)) => self.remove_half().await,
            Ok(Some(Found::Ended | Found::Nothing) | None) => {}
            Err(error) => {
                tracing::warn!(error = %causes(&error), "whether a reply was begun is not known");
            }
        }
    }

    /// Reads what is stored of the exchange, and renews the reply's lease if it is whole.
    async fn look(&self) -> Result<Found, StoreError> {
        let (store, sent) = (&self.place.engine.store, &self.exchange.reply);
        let asked = self.exchange.prompt().map(|prompt| prompt.id);
        let ids: Vec<_> = std::iter::once(sent.id).chain(asked).collect();
        let found = store.messages(&ids).await?;
        let (mut prompt, mut reply) = (None, None);
        for message in found
            .into_iter()
            .filter(|message| message.chat_id == sent.chat_id)
        {
            match message.id == sent.id {
                true => reply = Some(message),
                false => prompt = Some(message),
            }
        }
        let Some(reply) = reply else {
            return Ok(prompt.map_or(Found::Nothing, |prompt| Found::Prompt(Box::new(prompt))));
        };
        if asked.is_some() && prompt.is_none() {
            return Ok(Found::Half);
        }
        let owner = self.place.engine.owner();
        let renewed = store.checkpoint(reply.chat_id, reply.id, owner, "", LEASE);
        if renewed.await? == Checkpointed::Lost {
            return Ok(Found::Ended);
        }
        let chat = store.chats(&[reply.chat_id]).await?.pop();
        Ok(chat.map_or(Found::Nothing, |chat| Found::Whole {
            chat: Box::new(chat),
            prompt: prompt.map(Box::new),
            reply: Box::new(reply),
        }))
    }

    /// Removes a reply whose prompt is missing: it was never stored, or was deleted already. If that fails, another
    /// server removes the reply when its lease has expired.
    pub(super) async fn remove_half(&self) {
        let (engine, reply) = (&self.place.engine, &self.exchange.reply);
        let claim = Claim::Owner(&engine.owner);
        let removed = engine.store.remove_reply(reply.chat_id, reply.id, claim).await;
        if matches!(removed, Ok(true)) {
            let deleted = ChatEvent::MessageDeleted(reply.id);
            engine.publish(reply.chat_id, deleted).await;
        }
    }
}
