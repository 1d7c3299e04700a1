//! The loads of one operation, run by the task of the operation itself.
//!
//! A load takes all keys that were asked for until it begins. As the operation's own task begins it only when no resolver
//! can go on, those are all that there are: one read for each kind of thing, without a pause to wait for more.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, poll_fn};
use futures_util::stream::{self, BoxStream, FuturesUnordered, Stream, StreamExt};

type Load = BoxFuture<'static, ()>;

/// Loads that were asked for and have not begun. Cheap to clone.
#[derive(Clone, Default)]
pub struct Loads(Arc<Mutex<Vec<Load>>>);

impl Loads {
    /// Asks for a load.
    pub fn add(&self, load: Load) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(load);
    }

    /// Runs `work` to its end, and beside it what it asks for.
    pub async fn run<T>(self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let mut under_way = FuturesUnordered::new();
        poll_fn(|context| self.drive(&mut under_way, context, |context| work.as_mut().poll(context))).await
    }

    /// The same of work that has several results.
    pub fn run_stream<T>(self, mut work: BoxStream<'static, T>) -> impl Stream<Item = T> {
        let mut under_way = FuturesUnordered::new();
        stream::poll_fn(move |context| {
            self.drive(&mut under_way, context, |context| work.poll_next_unpin(context))
        })
    }

    fn drive<T>(
        &self,
        under_way: &mut FuturesUnordered<Load>,
        context: &mut Context<'_>,
        mut work: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        loop {
            if let Poll::Ready(done) = work(context) {
                return Poll::Ready(done);
            }
            under_way.extend(self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..));
            // What a load brought may let the work go on.
            if under_way.poll_next_unpin(context) != Poll::Ready(Some(())) {
                return Poll::Pending;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::{mpsc, oneshot};

    use super::*;

    #[tokio::test]
    async fn what_work_asks_for_begins_when_it_waits_and_lets_it_go_on() {
        let loads = Loads::default();
        let (tell, mut told) = mpsc::unbounded_channel();
        let ask = |name: &'static str| {
            let (answer, answered) = oneshot::channel();
            let tell = tell.clone();
            loads.add(Box::pin(async move {
                tell.send(name).unwrap();
                tokio::task::yield_now().await;
                answer.send(name).unwrap();
            }));
            answered
        };
        let work = async {
            let (first, second) = (ask("first"), ask("second"));
            assert!(told.try_recv().is_err());
            (
                first.await.unwrap(),
                second.await.unwrap(),
                ask("third").await.unwrap(),
            )
        };
        assert_eq!(loads.clone().run(work).await, ("first", "second", "third"));
    }
}
