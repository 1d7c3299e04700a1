//! The subscriptions.

use async_graphql::{Context, Description, ID};
use futures_util::stream::{self, Stream};

use super::Error;
use super::context;
use super::object::{AtOnce, ChatEvent, ReplyEvent};
use crate::domain::{ChatId, MessageId};

/// What can be watched.
#[derive(Description)]
pub struct Subscription;

#[async_graphql::Subscription(use_type_description)]
impl Subscription {
    /// A bot's reply as it grows, from its beginning or from a cursor, to its end. It makes no difference whether
    /// the reply has ended, or where it is generated. If its message is deleted meanwhile, it ends as one
    /// that was stopped.
    async fn reply(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The bot's message.")] message_id: ID,
        #[graphql(desc = "The latest cursor you have; without one a snapshot comes first.")] after: Option<
            String,
        >,
    ) -> Result<impl Stream<Item = AtOnce<ReplyEvent>> + use<>, Error> {
        let context = context::of(context);
        let id = MessageId::parse(&message_id)?;
        // What it takes to begin is not kept for as long as it lasts.
        let reader = context
            .service
            .follow_reply(&context.viewer, id, after.as_deref());
        let reader = Box::pin(reader).await?;
        Ok(stream::unfold(reader, |mut reader| async move {
            let update = reader.next().await?;
            Some((AtOnce(update.into()), reader))
        }))
    }

    /// What happens in a chat, its replies' text included, from now on or from a cursor. It begins with `ChatResync`
    /// unless the cursor's place is still known: read the chat when that comes, and then apply what follows.
    async fn chat(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The chat.")] id: ID,
        #[graphql(desc = "The latest cursor of this subscription that you have.")] after: Option<String>,
    ) -> Result<impl Stream<Item = AtOnce<ChatEvent>> + use<>, Error> {
        let context = context::of(context);
        let id = ChatId::parse(&id)?;
        // What it takes to begin is not kept for as long as it lasts.
        let follower = context.service.follow_chat(&context.viewer, id, after.as_deref());
        let follower = Box::pin(follower).await?;
        let seat = context.service.enter_room(&id.to_string());
        Ok(stream::unfold(
            (follower, seat),
            |(mut follower, seat)| async move {
                let (update, cursor) = follower.next().await?;
                let event = ChatEvent::new(update, &cursor);
                Some((AtOnce(event), (follower, seat)))
            },
        ))
    }
}
