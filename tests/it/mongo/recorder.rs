//! Listens to the commands that a store sends.

use std::sync::{Arc, Mutex};

use colloquy::store::MongoStore;
use mongodb::bson::Document;
use mongodb::event::EventHandler;
use mongodb::event::command::CommandEvent;

use crate::support::scratch::Scratch;

/// The commands that were sent since they were last taken.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<Vec<Document>>>);

impl Recorder {
    /// Opens a store and listens to it from then on.
    pub async fn open(scratch: &Scratch) -> (Arc<MongoStore>, Self) {
        let recorder = Self::default();
        let commands = recorder.clone();
        let (mut options, database) = scratch.client_options().await;
        options.command_event_handler = Some(EventHandler::callback(move |event| {
            if let CommandEvent::Started(started) = event {
                commands.0.lock().unwrap().push(started.command);
            }
        }));
        let store = MongoStore::connect_with(options, &database).await.unwrap();
        recorder.take();
        (Arc::new(store), recorder)
    }

    /// The commands since the last call.
    pub fn take(&self) -> Vec<Document> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// What the commands are called.
pub fn names(commands: &[Document]) -> Vec<&str> {
    let names = commands.iter().filter_map(|command| command.keys().next());
    names.map(String::as_str).collect()
}
