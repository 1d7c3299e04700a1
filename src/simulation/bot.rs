//! A bot that answers each call differently, so that two answers to one prompt are never taken for one.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::time::sleep;

use super::history::Note;
use super::world::{Gate, World};
use crate::bot::{Bot, BotError, BotEvent, Prompt};
use crate::domain::FinishReason;

pub struct SimulatedBot {
    world: Arc<World>,
    gate: Arc<Gate>,
}

impl SimulatedBot {
    pub fn new(world: Arc<World>, gate: Arc<Gate>) -> Self {
        Self { world, gate }
    }
}

/// The call that wrote this text, if the bot did.
pub fn call_of(text: &str) -> Option<usize> {
    let (call, _) = text.strip_prefix('c')?.split_once(' ')?;
    call.parse().ok()
}

impl Bot for SimulatedBot {
    fn model(&self) -> &str {
        "simulated"
    }

    fn reply(&self, prompt: Prompt) -> BoxStream<'static, Result<BotEvent, BotError>> {
        let (world, gate) = (self.world.clone(), self.gate.clone());
        // A dead server calls nobody.
        if gate.is_dead() {
            return stream::pending().boxed();
        }
        let call = world.next_call();
        world.note(Note::Called {
            call,
            server: gate.run,
            question: prompt.question().to_owned(),
        });
        let pieces = world.roll(|rng| rng.usize(1..6));
        let breaks_off = world.happens(50);
        let events = (0..=pieces).map(move |n| match n {
            0 => Some(BotEvent::Piece(format!("c{call} answers"))),
            n if n < pieces => Some(BotEvent::Piece(format!(" {n}"))),
            _ if breaks_off => None,
            _ => Some(BotEvent::Finished {
                reason: FinishReason::Complete,
                usage: None,
            }),
        });
        let events = stream::iter(events.flatten().map(Ok));
        events
            .then(move |event| {
                let (world, gate) = (world.clone(), gate.clone());
                async move {
                    let pause = world.roll(|rng| rng.u64(0..world.weather().bot_pause_max));
                    sleep(Duration::from_millis(pause)).await;
                    gate.pass().await;
                    event
                }
            })
            .boxed()
    }
}
