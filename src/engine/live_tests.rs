use proptest::prelude::*;

use super::*;
use crate::domain::{Author, ChatId, ObjectId, Reply, ReplyState, Timestamp};

fn message(text: &str, state: ReplyState) -> Message {
    let at = Timestamp::from_millis(0);
    Message {
        id: MessageId(ObjectId::from_bytes([1; 12])),
        chat_id: ChatId(ObjectId::from_bytes([2; 12])),
        author: Author::Bot,
        text: text.to_owned(),
        kind: Message::TEXT.to_owned(),
        reaction: None,
        token_count: None,
        is_edited: false,
        created_at: at,
        updated_at: at,
        client_key: None,
        reply_id: None,
        reply: Some(Reply {
            state,
            in_reply_to: None,
            owner: "test".to_owned(),
            lease_until: at,
            stop: None,
            regenerates: None,
            model: None,
            usage: None,
            started_at: None,
            first_piece_at: None,
            upstream_closed_at: None,
            finished_at: None,
            overhead_us: None,
            reasoning: None,
            error: None,
        }),
    }
}

/// A client by the documented rule: a snapshot replaces, a partial appends, the end ends.
#[derive(Default)]
struct Client {
    text: String,
    cursor: Option<ReplyCursor>,
    is_finished: bool,
}

impl Client {
    fn apply(&mut self, update: ReplyUpdate) {
        let cursor = match update {
            ReplyUpdate::Snapshot { text, cursor, .. } => {
                self.text = text;
                cursor
            }
            ReplyUpdate::Partial { text, cursor, .. } => {
                assert!(!text.is_empty() && text.len() <= PARTIAL_BYTES_MAX);
                self.text.push_str(&text);
                cursor
            }
            ReplyUpdate::Finished { message, cursor } => {
                assert_eq!(self.text, message.text);
                self.is_finished = true;
                cursor
            }
        };
        assert_eq!(cursor, TextDigest::of(&self.text).cursor());
        self.cursor = Some(cursor);
    }

    /// Takes what is ready, at most `limit` updates.
    fn drain(&mut self, reader: &mut ReplyReader, limit: usize) {
        use futures_util::FutureExt;
        for _ in 0..limit {
            match reader.next().now_or_never() {
                Some(Some(update)) => self.apply(update),
                Some(None) | None => break,
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Append(String),
    Replace(usize),
    Read(usize),
    Drop,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => "[a-zअ-ह🙂 ]{1,6}".prop_map(Step::Append),
        1 => (0_usize..20).prop_map(Step::Replace),
        4 => (0_usize..4).prop_map(Step::Read),
        2 => Just(Step::Drop),
    ]
}

proptest! {
    #[test]
    fn any_interleaving_of_appends_corrections_reads_and_drops_gives_the_exact_text(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let live = Arc::new(LiveReply::new(message("", ReplyState::Streaming)));
        let mut client = Client::default();
        let mut reader = live.read_from(None);
        for step in steps {
            match step {
                Step::Append(piece) => live.append(&piece),
                Step::Replace(length) => live.replace(&live.text().chars().take(length).collect::<String>()),
                Step::Read(limit) => client.drain(&mut reader, limit),
                Step::Drop => reader = live.read_from(client.cursor),
            }
        }
        let text = live.text();
        live.end(message(&text, ReplyState::Complete));
        client.drain(&mut reader, usize::MAX);
        prop_assert!(client.is_finished);
        prop_assert_eq!(client.text, text);
    }
}

#[tokio::test]
async fn a_lagging_reader_gets_the_missed_pieces_merged_into_bounded_ones() {
    let live = Arc::new(LiveReply::new(message("", ReplyState::Streaming)));
    let mut reader = live.read_from(None);
    let mut client = Client::default();
    client.drain(&mut reader, 1);
    (0..10_000).for_each(|_| live.append("हिन्दी "));
    let pieces = live.length().div_ceil(PARTIAL_BYTES_MAX - 4);
    client.drain(&mut reader, pieces);
    assert_eq!(client.text, live.text());
}

#[tokio::test]
async fn a_cursor_of_another_text_is_answered_with_a_snapshot() {
    let live = Arc::new(LiveReply::new(message("one two", ReplyState::Complete)));
    let mut client = Client {
        text: "one tw!".to_owned(),
        cursor: Some(TextDigest::of("one tw!").cursor()),
        is_finished: false,
    };
    client.drain(&mut live.read_from(client.cursor), usize::MAX);
    assert!(client.is_finished);
}

#[tokio::test]
async fn nothing_changes_a_reply_that_has_ended() {
    let live = LiveReply::new(message("done", ReplyState::Stopped));
    live.append(" more");
    live.replace("other");
    assert_eq!(live.text(), "done");
}
