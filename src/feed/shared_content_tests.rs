use super::*;

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use tokio::sync::Semaphore;

use crate::domain::{Author, ChatId, MessageId, ObjectId, Reply, Timestamp};

/// A store whose reads wait for a permit each, and are counted.
struct Reads {
    count: Arc<AtomicUsize>,
    permits: Arc<Semaphore>,
    bytes: usize,
}

impl Reads {
    fn of(bytes: usize, permits: usize) -> Self {
        Self {
            count: Arc::default(),
            permits: Arc::new(Semaphore::new(permits)),
            bytes,
        }
    }

    /// Reads the message; without one, fails.
    fn read(&self, is_up: bool) -> ContentRead {
        self.count.fetch_add(1, Ordering::Relaxed);
        let (permits, bytes) = (self.permits.clone(), self.bytes);
        async move {
            if let Ok(permit) = permits.acquire().await {
                permit.forget();
            }
            let id = ObjectId::from_bytes([1; 12]);
            let at = Timestamp::from_millis(0);
            let message = Message::plain(MessageId(id), ChatId(id), Author::User, "x".repeat(bytes), at);
            match is_up {
                true => Ok(Content::Message(Arc::new(message))),
                false => Err(Arc::new(std::fmt::Error) as ReadError),
            }
        }
        .boxed()
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn all_share_one_read_while_it_runs_and_after_it() {
    let (content, kept, reads) = (Arc::<SharedContent>::default(), Arc::default(), Reads::of(10, 0));
    let read = || reads.read(true);
    let all = join_all((0..100).map(|_| content.get(read, &kept)));
    let release = async { reads.permits.add_permits(1) };
    let (all, ()) = tokio::join!(all, release);
    assert!(all.iter().all(Result::is_ok));
    assert!(content.get(read, &kept).await.is_ok());
    assert_eq!(reads.count(), 1);
}

#[tokio::test]
async fn a_failure_is_shared_by_those_who_wait_and_not_kept() {
    let (content, kept, reads) = (Arc::<SharedContent>::default(), Arc::default(), Reads::of(10, 0));
    let all = join_all((0..100).map(|_| content.get(|| reads.read(false), &kept)));
    let release = async { reads.permits.add_permits(2) };
    let (all, ()) = tokio::join!(all, release);
    assert!(all.iter().all(Result::is_err));
    assert_eq!(reads.count(), 1);
    assert!(content.get(|| reads.read(true), &kept).await.is_ok());
    assert_eq!(reads.count(), 2);
}

#[tokio::test]
async fn a_read_goes_with_the_last_of_its_callers() {
    let (content, kept, reads) = (Arc::<SharedContent>::default(), Arc::default(), Reads::of(10, 0));
    let read = || reads.read(true);
    {
        let mut first = Box::pin(content.get(read, &kept));
        let mut second = Box::pin(content.get(read, &kept));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        drop(first);
        assert!(second.as_mut().now_or_never().is_none());
        assert_eq!(reads.count(), 1);
        // Another that waits continues what the first one began.
        reads.permits.add_permits(1);
        assert!(second.await.is_ok());
    }
    let alone = Arc::<SharedContent>::default();
    {
        let mut first = Box::pin(alone.get(read, &kept));
        assert!(first.as_mut().now_or_never().is_none());
    }
    // Nobody waits for it, and it holds nothing of the store.
    assert_eq!(Arc::strong_count(&reads.permits), 1);
    reads.permits.add_permits(1);
    assert!(alone.get(read, &kept).await.is_ok());
    assert_eq!(reads.count(), 3);
}

#[tokio::test]
async fn a_reply_that_grows_is_shared_by_those_who_wait_and_read_again_later() {
    let (content, kept, reads) = (Arc::<SharedContent>::default(), Arc::default(), Reads::of(10, 0));
    let growing = || {
        let read = reads.read(true);
        async move {
            Ok(match read.await? {
                Content::Message(message) => {
                    let mut message = Arc::unwrap_or_clone(message);
                    message.reply = Some(Reply::begun("a server".to_owned(), message.created_at));
                    Content::Message(Arc::new(message))
                }
                other => other,
            })
        }
        .boxed()
    };
    let all = join_all((0..100).map(|_| content.get(growing, &kept)));
    let release = async { reads.permits.add_permits(2) };
    let (all, ()) = tokio::join!(all, release);
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(reads.count(), 1);
    assert!(content.get(growing, &kept).await.is_ok());
    assert_eq!(reads.count(), 2);
}

#[tokio::test]
async fn what_is_kept_is_bounded_in_bytes_and_goes_with_its_event() {
    const COUNT: usize = 40;
    let (kept, reads) = (Arc::default(), Reads::of(KEPT_BYTES_MAX / 20, 2 * COUNT));
    let read = || reads.read(true);
    let mut contents: Vec<_> = (0..COUNT).map(|_| Arc::<SharedContent>::default()).collect();
    let mut results = Vec::new();
    for content in &contents {
        let Ok(Content::Message(message)) = content.get(read, &kept).await else {
            panic!("no message");
        };
        results.push(Arc::downgrade(&message));
    }
    let held = |results: &[Weak<Message>]| results.iter().filter(|it| it.strong_count() > 0).count();
    assert_eq!(held(&results), 19);
    // The latest ones are kept.
    assert_eq!(held(&results[COUNT - 19..]), 19);
    contents.clear();
    assert_eq!(held(&results), 0);
}
