//! The servers of the trial: each behind a proxy of its own, kept alive by a task that also does to it what is ordered.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::error::VerifyError;
use super::ledger::{Disturbance, Exit, Ledger, Trouble, now};
use super::process::{Launch, Process, Told, last_words};
use super::proxy::Proxy;
use crate::cli::client::{Server, ServerError};
use crate::domain::Timestamp;

/// How long a client of the trial waits for an answer: shorter than the longest freeze, so that it asks elsewhere.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// How long who asks past the proxy waits: it knows whether the server was disturbed meanwhile.
const DIRECT_ANSWER_MAX: Duration = Duration::from_secs(30);
/// How long a server may take to end once it is told to: the time it gives its replies and connections, and some more.
const END_MAX: Duration = Duration::from_secs(45);
/// How often a server is started again that does not come up.
const STARTS_MAX: usize = 3;

/// What is done to a server.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    /// Killed, and started after this time.
    Kill(Duration),
    /// Told to end, and started this time after it has.
    Terminate(Duration),
    /// Stopped for this time.
    Freeze(Duration),
    /// Told to end, for good.
    End,
}

/// How a server fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It serves.
    Calm,
    /// Something is being done to it.
    Disturbed,
    /// It will not come back.
    Gone,
}

/// One server's place, which stays while processes come and go.
pub struct Slot {
    /// Its number, from 0.
    pub index: usize,
    /// How clients reach it, by way of the proxy.
    pub server: Server,
    /// Where the proxy listens.
    pub proxied: SocketAddr,
    proxy: Proxy,
    log: PathBuf,
    phase: watch::Sender<Phase>,
    direct: Mutex<Option<(SocketAddr, Arc<Server>)>>,
    disturbances: AtomicUsize,
    orders: mpsc::Sender<Order>,
}

/// A server that serves, and where; to ask afterwards whether it did all the time.
#[derive(Clone)]
pub struct Calm {
    /// Where it listens itself, past the proxy.
    pub address: SocketAddr,
    /// It itself.
    pub server: Arc<Server>,
    disturbances: usize,
}

impl Slot {
    /// Whether it serves, undisturbed.
    pub fn calm(&self) -> Option<Calm> {
        let disturbances = self.disturbances.load(Ordering::SeqCst);
        let direct = self.direct.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (address, server) = direct.filter(|_| *self.phase.borrow() == Phase::Calm)?;
        Some(Calm {
            address,
            server,
            disturbances,
        })
    }

    /// Whether nothing was done to it since.
    pub fn is_calm_since(&self, calm: &Calm) -> bool {
        self.calm()
            .is_some_and(|now| now.disturbances == calm.disturbances)
    }

    /// Has something done to it, which has begun when this returns.
    pub async fn order(&self, order: Order) {
        self.disturb();
        // Its keeper is gone only if the server is.
        let _ = self.orders.send(order).await;
    }

    /// Cuts every line to it.
    pub fn cut_lines(&self) {
        self.proxy.cut_all();
    }

    fn disturb(&self) {
        self.phase.send_replace(Phase::Disturbed);
        self.disturbances.fetch_add(1, Ordering::SeqCst);
    }

    fn serve_at(&self, address: SocketAddr) -> Result<(), ServerError> {
        let server = Arc::new(Server::local(address, DIRECT_ANSWER_MAX)?);
        *self.direct.lock().unwrap_or_else(PoisonError::into_inner) = Some((address, server));
        self.proxy.lead_to(Some(address));
        self.phase.send_replace(Phase::Calm);
        Ok(())
    }
}

/// All of them.
pub struct Fleet {
    /// One for each server.
    pub slots: Vec<Arc<Slot>>,
    keepers: Mutex<JoinSet<()>>,
}

impl Fleet {
    /// Starts servers that log into a folder.
    pub async fn start(
        launch: &Arc<Launch>,
        servers: usize,
        folder: &Path,
        rng: &mut Rng,
        ledger: &Arc<Ledger>,
    ) -> Result<Self, VerifyError> {
        let (mut slots, mut keepers) = (Vec::new(), JoinSet::new());
        for index in 0..servers {
            let log = folder.join(format!("server-{index}.log"));
            let process = launch.start(index, &log).await?;
            let proxy = Proxy::start(rng.fork()).await?;
            let (sender, orders) = mpsc::channel(1);
            let slot = Arc::new(Slot {
                index,
                server: Server::local(proxy.address, ANSWER_MAX)?,
                proxied: proxy.address,
                proxy,
                log,
                phase: watch::Sender::new(Phase::Disturbed),
                direct: Mutex::default(),
                disturbances: AtomicUsize::new(0),
                orders: sender,
            });
            slot.serve_at(process.address)?;
            let keeper = Keeper {
                slot: slot.clone(),
                launch: launch.clone(),
                ledger: ledger.clone(),
            };
            keepers.spawn(keeper.keep(process, orders));
            slots.push(slot);
        }
        Ok(Self {
            slots,
            keepers: Mutex::new(keepers),
        })
    }

    /// Any of them, also one that is away.
    pub fn any(&self, rng: &mut Rng) -> &Arc<Slot> {
        let index = rng.usize(..self.slots.len());
        // One was started at least.
        #[expect(clippy::indexing_slicing, reason = "the index is below the length")]
        &self.slots[index]
    }

    /// One that serves.
    pub fn calm(&self, rng: &mut Rng) -> Option<(&Arc<Slot>, Calm)> {
        let calm = self.slots.iter().filter_map(|slot| Some((slot, slot.calm()?)));
        rng.choice(calm.collect::<Vec<_>>())
    }

    /// One that serves, where another one does as well: somebody must be left to find out who died.
    pub fn someone_to_spare(&self, rng: &mut Rng) -> Option<&Arc<Slot>> {
        let calm: Vec<_> = self.slots.iter().filter(|slot| slot.calm().is_some()).collect();
        let is_spare = calm.len() > 1 || self.slots.len() == 1;
        rng.choice(calm).filter(|_| is_spare)
    }

    /// Waits until nothing is done to any of them any more, and leaves their lines alone from then on.
    pub async fn rest(&self) {
        for slot in &self.slots {
            slot.proxy.leave_alone();
            let mut phase = slot.phase.subscribe();
            // The sender lives as long as the slot.
            let _ = phase.wait_for(|phase| *phase != Phase::Disturbed).await;
        }
    }

    /// How many lines were cut.
    pub fn cuts(&self) -> usize {
        self.slots.iter().map(|slot| slot.proxy.cuts()).sum()
    }

    /// Kills all of them.
    pub async fn abandon(&self) {
        self.keepers().shutdown().await;
    }

    fn keepers(&self) -> JoinSet<()> {
        std::mem::take(&mut *self.keepers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells all of them to end, and waits until they have.
    pub async fn end(&self) {
        for slot in &self.slots {
            slot.order(Order::End).await;
        }
        self.keepers().join_all().await;
    }
}

/// Keeps one server.
struct Keeper {
    slot: Arc<Slot>,
    launch: Arc<Launch>,
    ledger: Arc<Ledger>,
}

impl Keeper {
    async fn keep(self, mut process: Process, mut orders: mpsc::Receiver<Order>) {
        loop {
            let order = tokio::select! {
                status = process.wait() => {
                    self.exited(&describe(status), "by itself");
                    self.note(Trouble::Exit, now(), now());
                    None
                }
                // Whoever gives orders is gone only with everything else.
                order = orders.recv() => Some(order.unwrap_or(Order::End)),
            };
            // Whoever ordered it may have done so before the server was last started.
            self.slot.disturb();
            let from = now();
            let down_for = match order {
                None => Duration::ZERO,
                Some(Order::Freeze(time)) => {
                    self.freeze(&process, time).await;
                    continue;
                }
                Some(Order::Kill(down_for)) => {
                    self.tell(&process, Told::Kill);
                    let _ = process.wait().await;
                    self.note(Trouble::Kill, from, from);
                    down_for
                }
                Some(Order::Terminate(down_for)) => {
                    self.end(&mut process).await;
                    self.note(Trouble::Terminate, from, now());
                    down_for
                }
                Some(Order::End) => {
                    self.end(&mut process).await;
                    self.slot.phase.send_replace(Phase::Gone);
                    return;
                }
            };
            self.slot.proxy.lead_to(None);
            tokio::time::sleep(down_for).await;
            match self.start_again().await {
                Some(started) => process = started,
                None => {
                    self.slot.phase.send_replace(Phase::Gone);
                    return;
                }
            }
            self.is_back();
            if let Err(error) = self.slot.serve_at(process.address) {
                self.exited(&error.to_string(), "when clients were set up for it");
                self.slot.phase.send_replace(Phase::Gone);
                return;
            }
        }
    }

    /// Stops the time for a server.
    async fn freeze(&self, process: &Process, time: Duration) {
        let from = now();
        self.tell(process, Told::Freeze);
        self.note(Trouble::Freeze, from, from);
        tokio::time::sleep(time).await;
        self.tell(process, Told::Thaw);
        self.is_back();
        self.slot.phase.send_replace(Phase::Calm);
    }

    /// Tells a server to end, and waits until it has.
    async fn end(&self, process: &mut Process) {
        self.tell(process, Told::Terminate);
        match tokio::time::timeout(END_MAX, process.wait()).await {
            Ok(Ok(status)) if status.success() => {}
            Ok(status) => self.exited(&describe(status), "when it was told to end by SIGTERM"),
            Err(_) => {
                self.tell(process, Told::Kill);
                let _ = process.wait().await;
                let waited = END_MAX.as_secs();
                self.exited(
                    &format!("had not ended after {waited} s"),
                    "when it was told to by SIGTERM",
                );
            }
        }
    }

    async fn start_again(&self) -> Option<Process> {
        for _ in 0..STARTS_MAX {
            match self.launch.start(self.slot.index, &self.slot.log).await {
                Ok(process) => return Some(process),
                Err(error) => self.exited(&error.to_string(), "when it was started again"),
            }
        }
        None
    }

    fn tell(&self, process: &Process, what: Told) {
        if let Err(error) = process.tell(what) {
            self.exited(&format!("could not be told {what:?}: {error}"), "by a signal");
        }
    }

    fn note(&self, trouble: Trouble, from: Timestamp, died_at: Timestamp) {
        self.ledger.note(|notes| {
            notes.disturbances.push(Disturbance {
                server: self.slot.index,
                trouble,
                from,
                died_at,
                back_at: None,
            });
        });
    }

    fn is_back(&self) {
        let back_at = now();
        self.ledger.note(|notes| {
            let of_this = |done: &&mut Disturbance| done.server == self.slot.index;
            if let Some(last) = notes.disturbances.iter_mut().rev().find(of_this) {
                last.back_at = Some(back_at);
            }
        });
    }

    fn exited(&self, how: &str, when: &str) {
        let exit = Exit {
            server: self.slot.index,
            how: format!("{how}, {when}"),
            last_words: last_words(&self.slot.log),
        };
        self.ledger.note(|notes| notes.exits.push(exit));
    }
}

fn describe(status: std::io::Result<ExitStatus>) -> String {
    status.map_or_else(|error| error.to_string(), |status| status.to_string())
}
