use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use proptest::prelude::*;
use tokio::runtime::Builder;

use super::*;
use crate::domain::{Author, ChatId, ObjectId, Reply, ReplyState, Timestamp};

pub fn message(text: &str, state: ReplyState) -> Message {
    let at = Timestamp::from_millis(0);
    let (id, chat) = (ObjectId::from_bytes([1; 12]), ObjectId::from_bytes([2; 12]));
    Message {
        reply: Some(Reply {
            state,
            ..Reply::begun("test".to_owned(), at)
        }),
        ..Message::plain(MessageId(id), ChatId(chat), Author::Bot, text.to_owned(), at)
    }
}

fn ended(text: &str, state: ReplyState) -> Ended {
    Ended::As(EndedMessage::of(message(text, state)).unwrap())
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
                assert!(text.len() <= UPDATE_BYTES_MAX);
                self.text = text;
                cursor
            }
            ReplyUpdate::Partial { text, cursor, .. } => {
                assert!(!text.is_empty() && text.len() <= UPDATE_BYTES_MAX);
                self.text.push_str(&text);
                cursor
            }
            ReplyUpdate::Finished { message, cursor } => {
                assert_eq!(self.text, message.message().text);
                self.is_finished = true;
                cursor
            }
            ReplyUpdate::Deleted { .. } => panic!("nothing is deleted here"),
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
    Read(usize),
    Drop,
    Stop,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => "[a-zअ-ह🙂 ]{1,6}".prop_map(Step::Append),
        4 => (0_usize..4).prop_map(Step::Read),
        2 => Just(Step::Drop),
        1 => Just(Step::Stop),
    ]
}

proptest! {
    #[test]
    fn any_interleaving_of_appends_stops_reads_and_drops_gives_every_viewer_the_exact_text(
        steps in prop::collection::vec((0_usize..3, step()), 0..60),
    ) {
        let live = Arc::new(LiveReply::new(message("", ReplyState::Streaming)));
        let mut viewers: Vec<_> = (0..3).map(|_| (Client::default(), live.read_from(None))).collect();
        let mut is_stopped = false;
        for (viewer, step) in steps {
            let (client, reader) = &mut viewers[viewer];
            match step {
                // Whoever generates appends nothing after a stop.
                Step::Append(piece) if !is_stopped => live.append(&piece),
                Step::Append(_) => {}
                Step::Read(limit) => client.drain(reader, limit),
                Step::Drop => *reader = live.read_from(client.cursor),
                Step::Stop => {
                    live.stop(None);
                    is_stopped = true;
                }
            }
        }
        let text = live.text();
        live.end(ended(&text, if is_stopped { ReplyState::Stopped } else { ReplyState::Complete }));
        for (client, reader) in &mut viewers {
            client.drain(reader, usize::MAX);
            prop_assert!(client.is_finished);
            prop_assert_eq!(&client.text, &text);
        }
    }

    /// The owner's pieces reach a mirror on another server late, twice, in another order, or not at all; now and then
    /// a checkpoint comes as well, and gaps are healed by one.
    #[test]
    fn mirrored_pieces_in_any_order_give_every_viewer_the_exact_text(
        pieces in prop::collection::vec("[a-zअ-ह🙂 ]{1,6}", 1..20),
        deliveries in prop::collection::vec((0_usize..20, delivery(), 0_usize..3), 0..80),
        // How much of the text the server that closes the reply knows of: a dead owner takes the rest with it.
        surviving in 0_usize..=20,
    ) {
        let mirror = Arc::new(LiveReply::new(message("", ReplyState::Streaming)));
        let mut viewers: Vec<_> = (0..3).map(|_| (Client::default(), mirror.read_from(None))).collect();
        let before = |n: usize| pieces[..n.min(pieces.len())].concat();
        for (n, delivery, viewer) in deliveries {
            let n = n % pieces.len();
            match delivery {
                Delivery::Piece => {
                    let known = mirror.length();
                    let applied = mirror.apply(before(n).len(), &pieces[n]);
                    let end = before(n + 1).len();
                    let expected = match (before(n).len() <= known, end <= known) {
                        (_, true) => Applied::Known,
                        (true, false) => Applied::New,
                        (false, false) => Applied::Gap,
                    };
                    prop_assert_eq!(applied, expected);
                    if applied == Applied::Gap {
                        mirror.heal(&before(n));
                        prop_assert_eq!(mirror.apply(before(n).len(), &pieces[n]), Applied::New);
                    }
                }
                Delivery::Checkpoint => mirror.heal(&before(n)),
                Delivery::Read(limit) => {
                    let (client, reader) = &mut viewers[viewer];
                    client.drain(reader, limit);
                    prop_assert!(pieces.concat().starts_with(&client.text));
                }
                Delivery::Drop => viewers[viewer].1 = mirror.read_from(viewers[viewer].0.cursor),
            }
        }
        // The end is the store's word, also where it is less than what was shown.
        let text = before(surviving);
        mirror.end(ended(&text, ReplyState::Interrupted));
        for (client, reader) in &mut viewers {
            client.drain(reader, usize::MAX);
            prop_assert!(client.is_finished);
            prop_assert_eq!(&client.text, &text);
        }
    }
}

#[derive(Clone, Debug)]
enum Delivery {
    Piece,
    Checkpoint,
    Read(usize),
    Drop,
}

fn delivery() -> impl Strategy<Value = Delivery> {
    prop_oneof![
        6 => Just(Delivery::Piece),
        1 => Just(Delivery::Checkpoint),
        4 => (0_usize..4).prop_map(Delivery::Read),
        2 => Just(Delivery::Drop),
    ]
}

#[test]
fn a_piece_that_contradicts_the_text_changes_nothing_until_the_text_is_healed() {
    let mirror = LiveReply::new(message("नमस्ते", ReplyState::Streaming));
    for (offset, piece) in [(0, "नमस्कार"), (1, "x"), (99, "x"), (3, "é")] {
        assert_eq!(mirror.apply(offset, piece), Applied::Gap, "{offset} {piece}");
    }
    assert_eq!(mirror.text(), "नमस्ते");
    mirror.heal("नमस्");
    assert_eq!(mirror.text(), "नमस्ते");
    mirror.heal("नमस्कार");
    assert_eq!(mirror.text(), "नमस्कार");
    assert_eq!(mirror.apply(3, "मस्कार!"), Applied::New);
    assert_eq!(mirror.text(), "नमस्कार!");
}

#[tokio::test]
async fn a_lagging_reader_gets_the_missed_pieces_merged_into_bounded_ones() {
    let live = Arc::new(LiveReply::new(message("", ReplyState::Streaming)));
    let mut reader = live.read_from(None);
    let mut client = Client::default();
    client.drain(&mut reader, 1);
    (0..10_000).for_each(|_| live.append("हिन्दी "));
    let pieces = live.length().div_ceil(UPDATE_BYTES_MAX - 4);
    client.drain(&mut reader, pieces);
    assert_eq!(client.text, live.text());
}

#[tokio::test]
async fn a_late_reader_of_a_long_text_gets_a_bounded_snapshot_and_the_rest_behind_it() {
    let text = "हिन्दी ".repeat(10_000);
    for live in [
        LiveReply::new(message(&text, ReplyState::Streaming)),
        LiveReply::new(message(&text, ReplyState::Complete)),
    ] {
        let live = Arc::new(live);
        let mut client = Client::default();
        let mut reader = live.read_from(None);
        client.drain(&mut reader, 1);
        assert!(client.text.len() > UPDATE_BYTES_MAX - 4);
        // Dropped in the middle, it goes on where it was.
        let mut reader = live.read_from(client.cursor);
        client.drain(&mut reader, usize::MAX);
        assert_eq!(client.text, text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn very_many_readers_all_get_the_exact_text() {
    let live = Arc::new(LiveReply::new(message("", ReplyState::Streaming)));
    let readers = (0..1_000).map(|_| {
        let mut reader = live.read_from(None);
        tokio::spawn(async move {
            let mut client = Client::default();
            while let Some(update) = reader.next().await {
                client.apply(update);
            }
            client
        })
    });
    let readers: Vec<_> = readers.collect();
    for n in 0..500 {
        live.append("हिन्दी ");
        // Some pieces follow each other at once, some find everybody waiting.
        match n % 50 {
            0 => tokio::time::sleep(Duration::from_millis(2)).await,
            1..10 => tokio::task::yield_now().await,
            _ => {}
        }
    }
    let text = live.text();
    live.end(ended(&text, ReplyState::Complete));
    let told = tokio::time::timeout(Duration::from_secs(60), join_all(readers)).await;
    for client in told.expect("a reader was not woken") {
        let client = client.unwrap();
        assert!(client.is_finished && client.text == text);
    }
}

#[test]
fn readers_are_woken_also_if_the_runtime_goes_that_was_about_to_wake_them() {
    let [long, short] = [(); 2].map(|()| Builder::new_current_thread().enable_time().build().unwrap());
    let live = Arc::new(LiveReply::new(message("", ReplyState::Streaming)));
    let readers = (0..=READERS_WOKEN_HERE_MAX).map(|_| {
        let mut reader = live.read_from(Some(TextDigest::empty().cursor()));
        long.spawn(async move { reader.next().await })
    });
    let readers: Vec<_> = readers.collect();
    long.block_on(tokio::task::yield_now());
    let entered = short.enter();
    live.append("late");
    drop(entered);
    drop(short);
    for reader in readers {
        let update = long.block_on(async { tokio::time::timeout(Duration::from_secs(10), reader).await });
        let update = update.expect("a reader was not woken").unwrap();
        assert!(matches!(update, Some(ReplyUpdate::Partial { text, .. }) if text == "late"));
    }
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
async fn a_deleted_reply_shows_nothing_more_to_whoever_reads_it() {
    let live = Arc::new(LiveReply::new(message("one", ReplyState::Streaming)));
    let mut readers = [(); 2].map(|()| live.read_from(None));
    let mut texts = Vec::new();
    assert!(readers[0].next().now_or_never().is_some());
    live.append(" two");
    live.abandon();
    live.append(" three");
    for reader in &mut readers {
        let update = reader.next().now_or_never().unwrap();
        let Some(ReplyUpdate::Deleted { message, .. }) = update else {
            panic!("{update:?}");
        };
        let reply = message.message().reply.as_ref().unwrap();
        assert_eq!(reply.state, ReplyState::Stopped);
        texts.push(message.message().text.clone());
        assert!(reader.next().now_or_never().unwrap().is_none());
    }
    // Each with what it was shown.
    assert_eq!(texts, ["one", ""]);
    assert_eq!(live.ended().await, Ended::Deleted);
    assert!(live.stopped().now_or_never().is_some());
}

#[tokio::test]
async fn who_comes_back_to_a_deleted_reply_ends_with_the_text_that_they_have() {
    let live = Arc::new(LiveReply::new(message("one", ReplyState::Streaming)));
    live.abandon();
    // Shown here as well, and shown by another server alone, which has it taken back.
    for (has, text) in [("on", "on"), ("one two", "")] {
        let cursor = TextDigest::of(has).cursor();
        let mut reader = live.read_from(Some(cursor)).patient(Duration::from_secs(1));
        let mut shown = has.to_owned();
        let end = loop {
            match reader.next().now_or_never().unwrap() {
                Some(ReplyUpdate::Snapshot { text, .. }) => shown = text,
                Some(ReplyUpdate::Deleted { message, .. }) => break message,
                update => panic!("{update:?}"),
            }
        };
        assert_eq!((shown.as_str(), end.message().text.as_str()), (text, text));
    }
}

#[test]
fn what_goes_on_is_no_end() {
    assert_eq!(EndedMessage::of(message("", ReplyState::Streaming)), None);
}

#[tokio::test]
async fn nothing_changes_a_reply_that_has_ended() {
    let live = LiveReply::new(message("done", ReplyState::Stopped));
    live.append(" more");
    live.heal("other");
    assert_eq!(live.apply(4, " more"), Applied::Known);
    assert_eq!(live.text(), "done");
}

#[tokio::test(start_paused = true)]
async fn a_text_that_lags_behind_a_cursor_is_waited_for_but_not_for_ever() {
    let cursor = Some(TextDigest::of("one two").cursor());
    let patience = Duration::from_secs(2);
    let lagging = Arc::new(LiveReply::new(message("one", ReplyState::Streaming)));
    let mut reader = lagging.read_from(cursor).patient(patience);
    assert!(reader.next().now_or_never().is_none());
    lagging.heal("one two three");
    let update = reader.next().now_or_never().unwrap();
    assert!(matches!(update, Some(ReplyUpdate::Partial { text, .. }) if text == " three"));

    let dead = Arc::new(LiveReply::new(message("one", ReplyState::Streaming)));
    let update = dead.read_from(cursor).patient(patience).next().await;
    assert!(matches!(update, Some(ReplyUpdate::Snapshot { text, .. }) if text == "one"));
    // Its owner would know.
    let update = dead.read_from(cursor).next().now_or_never().unwrap();
    assert!(matches!(update, Some(ReplyUpdate::Snapshot { .. })));
}
