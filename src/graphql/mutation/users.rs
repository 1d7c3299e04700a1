//! Mutations of users, for programs with the scope of services.

use async_graphql::{Context, InputObject, Object, SimpleObject};

use crate::graphql::Error;
use crate::graphql::context;
use crate::graphql::scalar::{DateTime, UserId};

/// What can be changed of users.
#[derive(Default)]
pub struct UserMutation;

/// A user whose sessions shall end.
#[derive(InputObject)]
pub struct RevokeUserInput {
    /// The user.
    user_id: UserId,
}

/// What `revokeUser` did.
#[derive(SimpleObject)]
pub struct RevokeUserPayload {
    /// The user.
    user_id: UserId,
    /// Tokens of the user that were issued before this moment are worth nothing.
    revoked_at: DateTime,
}

#[Object]
impl UserMutation {
    /// Ends every session of a user within a second, on every server, and lets no token in any more that was issued
    /// before. Replies under way go on. Needs a token with the scope of services.
    async fn revoke_user(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which user.")] input: RevokeUserInput,
    ) -> Result<RevokeUserPayload, Error> {
        let context = context::of(context);
        let revocation = context
            .service
            .revoke_user(&context.viewer, input.user_id.0)
            .await?;
        Ok(RevokeUserPayload {
            user_id: UserId(revocation.user),
            revoked_at: DateTime(revocation.at),
        })
    }
}
