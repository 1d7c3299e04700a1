//! The subscriptions.

use async_graphql::{Context, ID};
use futures_util::stream::{self, Stream};

use super::Error;
use super::context;
use super::object::ReplyEvent;
use crate::domain::MessageId;

/// What can be watched.
pub struct Subscription;

#[async_graphql::Subscription]
impl Subscription {
    /// A bot's reply as it grows, from its beginning or from a cursor, to its end. It makes no difference whether
    /// the reply has ended, or where it is generated.
    async fn reply(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The bot's message.")] message_id: ID,
        #[graphql(desc = "The latest cursor you have; without one a snapshot comes first.")] after: Option<
            String,
        >,
    ) -> Result<impl Stream<Item = ReplyEvent> + use<>, Error> {
        let context = context::of(context);
        let id = MessageId::parse(&message_id)?;
        let reader = context
            .service
            .follow_reply(&context.viewer, id, after.as_deref())
            .await?;
        Ok(stream::unfold(reader, |mut reader| async move {
            let update = reader.next().await?;
            Some((update.into(), reader))
        }))
    }
}
