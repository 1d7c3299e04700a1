//! One who writes to a calm server all the time, to know how slow this machine and the store are by themselves.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use super::writer::{heard, intend, note};
use crate::cli::verify::bot::Speech;
use crate::cli::verify::crew::Crew;
use crate::cli::verify::ledger::{Ack, now};
use crate::cli::verify::operations::{CreateMessage, create_message};

/// The pause between two writes.
const EVERY: Duration = Duration::from_millis(250);

/// Writes until there is enough.
pub async fn beat(crew: Arc<Crew>, chat: String, mut rng: Rng) {
    loop {
        let slept_at = now();
        if crew.wait(EVERY).await.is_none() {
            return;
        }
        let late = now().millis() - slept_at.plus_millis(EVERY.as_millis() as i64).millis();
        crew.ledger.slack(late);
        let Some((slot, calm)) = crew.fleet.calm(&mut rng) else {
            continue;
        };
        let number = intend(&crew, &chat, Speech::Any, &mut rng);
        let variables = note(&crew, number, |writing| create_message::Variables {
            chat_id: writing.chat.clone(),
            text: writing.text.clone(),
            client_key: writing.key.clone(),
        });
        let Some(variables) = variables else { return };
        heard(&crew, number, slot.index);
        let sent_at = now();
        let answer = crew
            .over
            .run_until_cancelled(calm.server.ask::<CreateMessage>(variables))
            .await;
        let took = now().millis() - sent_at.millis();
        if slot.is_calm_since(&calm) {
            crew.ledger.slack(took);
        }
        if let Some(Ok(created)) = answer {
            let ack = Ack {
                message: created.create_message.message.id,
                reply: None,
                server: slot.index,
                at: now(),
            };
            note(&crew, number, |writing| writing.acks.push(ack));
        }
    }
}
