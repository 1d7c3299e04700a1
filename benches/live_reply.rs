//! What a live reply costs: the one who appends, the memory of each reader, and a reader that is far behind.

mod support {
    pub mod percentile;
    pub mod ratio;
}

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use colloquy::domain::{
    Author, ChatId, Message, MessageId, ObjectId, Reply, ReplyCursor, TextDigest, Timestamp,
};
use colloquy::engine::{LiveReply, REPLY_BYTES_MAX, ReplyUpdate};
use divan::Bencher;
use divan::counter::BytesCount;
use futures_util::FutureExt;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

use support::percentile::percentile;
use support::ratio::ratio;

const PIECE: &str = "word ";

/// Appends that are measured one by one, with all readers waiting.
const APPENDS: usize = 200;
/// Appends that follow each other as fast as they can.
const APPENDS_IN_A_ROW: usize = 2_000;
/// Long enough for a reader that has counted itself to wait again, and for the threads to fall asleep.
const SETTLE: Duration = Duration::from_millis(3);

const READERS_TO_WEIGH: usize = 100_000;
/// Times that a whole reply is written, to compare its beginning with its end.
const REPLIES: usize = 50;

/// The system's heap, with the bytes that are in use counted.
struct CountedHeap;

static HEAP_BYTES: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static HEAP: CountedHeap = CountedHeap;

// SAFETY: every call is handed to the system's allocator as it is; counting touches no memory of the caller's.
unsafe impl GlobalAlloc for CountedHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HEAP_BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are the ones that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HEAP_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn main() {
    println!(
        "One append of {} bytes, by the number of readers that wait",
        PIECE.len()
    );
    println!(
        "{:>10} {:>16} {:>10} {:>18} {:>24}",
        "readers", "CPU of append", "ratio", "last reader has it", "each of many in a row"
    );
    let mut base = None;
    for readers in [1, 200, 10_000] {
        let cost = cost_of_appending(readers);
        let base = *base.get_or_insert(cost.own);
        println!(
            "{readers:>10} {:>16.2?} {:>10.1} {:>18.1?} {:>24.2?}",
            cost.own,
            ratio(cost.own, base),
            cost.told,
            cost.in_a_row,
        );
    }

    println!("\nMemory of one reader that has read everything, by the length of the text");
    for bytes in [1024, REPLY_BYTES_MAX] {
        let (bare, waiting) = memory_of_a_reader(bytes);
        println!("{bytes:>10} bytes of text: {bare} bytes, {waiting} bytes as a task that waits");
    }

    let (start, end) = cost_along_the_text();
    println!("\nOne token of a reply of 1 MiB, appended and read");
    println!("{:>10} {start:.2?}", "at start");
    println!("{:>10} {end:.2?}, ratio {:.2}", "at end", ratio(end, start));

    println!("\nCatching up");
    divan::main();
}

/// What appending costs with some number of readers.
struct Appending {
    /// The CPU time of the appender's own thread within one append.
    own: Duration,
    /// The time from an append until the last reader has its text.
    told: Duration,
    /// The time per append of one who lets others run in between, as the owner of a reply does, and waits for nobody.
    in_a_row: Duration,
}

/// Readers on tasks of their own, which count what they have read.
struct Audience {
    live: Arc<LiveReply>,
    /// The readers that have all of the text.
    up_to_date: Arc<AtomicUsize>,
    /// Woken by the last of them.
    all: Arc<Notify>,
}

impl Audience {
    async fn gather(readers: usize) -> Self {
        let audience = Self {
            live: Arc::new(LiveReply::new(streaming())),
            up_to_date: Arc::default(),
            all: Arc::default(),
        };
        for _ in 0..readers {
            let mut reader = audience.live.read_from(Some(TextDigest::empty().cursor()));
            let (live, up_to_date, all) = (
                audience.live.clone(),
                audience.up_to_date.clone(),
                audience.all.clone(),
            );
            tokio::spawn(async move {
                while let Some(update) = reader.next().await {
                    let has_all = offset(&update) == live.length();
                    if has_all && up_to_date.fetch_add(1, Ordering::Relaxed) + 1 == readers {
                        all.notify_one();
                    }
                }
            });
        }
        tokio::time::sleep(SETTLE).await;
        audience
    }

    /// Waits until every reader has all of the text.
    async fn told(&self) {
        self.all.notified().await;
        self.up_to_date.store(0, Ordering::Relaxed);
    }
}

fn cost_of_appending(readers: usize) -> Appending {
    on_all_cores().block_on(async move {
        tokio::spawn(async move {
            let audience = Audience::gather(readers).await;
            let (mut own, mut told) = (Vec::new(), Vec::new());
            for _ in 0..APPENDS {
                tokio::time::sleep(SETTLE).await;
                let started = Instant::now();
                let cpu = cpu_of_this_thread();
                audience.live.append(PIECE);
                own.push(cpu_of_this_thread() - cpu);
                audience.told().await;
                told.push(started.elapsed());
            }
            let started = Instant::now();
            for _ in 0..APPENDS_IN_A_ROW {
                audience.live.append(PIECE);
                tokio::task::yield_now().await;
            }
            let in_a_row = started.elapsed() / u32::try_from(APPENDS_IN_A_ROW).unwrap();
            audience.live.abandon();
            Appending {
                own: percentile(&own, 50),
                told: percentile(&told, 50),
                in_a_row,
            }
        })
        .await
        .unwrap()
    })
}

/// The bytes of a reader, and of a task in which it waits.
fn memory_of_a_reader(text_bytes: usize) -> (usize, usize) {
    let live = Arc::new(LiveReply::new(streaming()));
    live.append(&"x".repeat(text_bytes));
    let cursor = TextDigest::of(&live.text()).cursor();

    let before = HEAP_BYTES.load(Ordering::Relaxed);
    let mut readers = Vec::with_capacity(READERS_TO_WEIGH);
    for _ in 0..READERS_TO_WEIGH {
        let mut reader = live.read_from(Some(cursor));
        assert!(reader.next().now_or_never().is_none());
        readers.push(reader);
    }
    let bare = (HEAP_BYTES.load(Ordering::Relaxed) - before) / READERS_TO_WEIGH;
    drop(readers);

    let runtime = on_all_cores();
    let before = HEAP_BYTES.load(Ordering::Relaxed);
    let waiting = runtime.block_on(async {
        for _ in 0..READERS_TO_WEIGH {
            let mut reader = live.read_from(Some(cursor));
            tokio::spawn(async move { reader.next().await.is_some() });
        }
        HEAP_BYTES.load(Ordering::Relaxed) - before
    });
    (bare, waiting / READERS_TO_WEIGH)
}

/// The time of one token in the first and in the last tenth of the longest reply, with one reader that keeps up.
fn cost_along_the_text() -> (Duration, Duration) {
    let tokens = REPLY_BYTES_MAX / PIECE.len();
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    for _ in 0..REPLIES {
        let live = Arc::new(LiveReply::new(streaming()));
        let mut reader = live.read_from(Some(TextDigest::empty().cursor()));
        let mut tenth = || {
            let started = Instant::now();
            for _ in 0..tokens / 10 {
                live.append(PIECE);
                black_box(reader.next().now_or_never());
            }
            started.elapsed() / u32::try_from(tokens / 10).unwrap()
        };
        starts.push(tenth());
        (0..8).for_each(|_| {
            tenth();
        });
        ends.push(tenth());
    }
    (percentile(&starts, 50), percentile(&ends, 50))
}

/// A reader that stands at the beginning while the text has grown by this much.
#[divan::bench(args = [16 * 1024, REPLY_BYTES_MAX])]
fn lagging_reader(bencher: Bencher, bytes: usize) {
    read_all(bencher, bytes, Some(TextDigest::empty().cursor()));
}

/// A client that comes back with a cursor at the very end: its checksum is held against all of the text.
#[divan::bench(args = [16 * 1024, REPLY_BYTES_MAX])]
fn resuming_client(bencher: Bencher, bytes: usize) {
    read_all(bencher, bytes, Some(TextDigest::of(&"x".repeat(bytes)).cursor()));
}

/// A client that has nothing yet.
#[divan::bench(args = [16 * 1024, REPLY_BYTES_MAX])]
fn new_client(bencher: Bencher, bytes: usize) {
    read_all(bencher, bytes, None);
}

fn read_all(bencher: Bencher, bytes: usize, cursor: Option<ReplyCursor>) {
    let live = Arc::new(LiveReply::new(streaming()));
    live.append(&"x".repeat(bytes));
    let read_all = || {
        let mut reader = live.read_from(cursor);
        while let Some(update) = reader.next().now_or_never() {
            black_box(update);
        }
    };
    bencher.counter(BytesCount::new(bytes)).bench_local(read_all);
}

fn offset(update: &ReplyUpdate) -> usize {
    let (ReplyUpdate::Snapshot { cursor, .. }
    | ReplyUpdate::Partial { cursor, .. }
    | ReplyUpdate::Finished { cursor, .. }
    | ReplyUpdate::Deleted { cursor, .. }) = update;
    usize::try_from(cursor.offset).unwrap()
}

fn on_all_cores() -> Runtime {
    Builder::new_multi_thread().enable_time().build().unwrap()
}

fn cpu_of_this_thread() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap()
}

fn streaming() -> Message {
    let (id, at) = (ObjectId::from_bytes([1; 12]), Timestamp::from_millis(0));
    Message {
        reply: Some(Reply::begun("bench".to_owned(), at)),
        ..Message::plain(MessageId(id), ChatId(id), Author::Bot, String::new(), at)
    }
}
