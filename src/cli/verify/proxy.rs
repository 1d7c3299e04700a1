//! A line to a server that is cut at random bytes, as those of phones are. It keeps its address while servers die
//! behind it.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fastrand::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Of how many lines one is cut.
const CUT_ONE_OF: u32 = 3;
/// A line that is cut carries at most two to this power bytes, both ways together.
const CARRIED_LOG2_MAX: f64 = 16.0;
const BUFFER_BYTES: usize = 16 * 1024;

/// A proxy in front of one server.
pub struct Proxy {
    /// Where clients find it.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    // Its end is the end of every line.
    _lines: JoinSet<()>,
}

struct Shared {
    target: Mutex<Option<SocketAddr>>,
    rng: Mutex<Rng>,
    cuts: AtomicUsize,
    is_at_peace: AtomicBool,
    /// Changes when all lines are to be cut.
    all: watch::Sender<()>,
}

/// How a line ends before its time.
struct Cut {
    bytes_left: usize,
    is_reset: bool,
}

impl Proxy {
    /// Listens on a free port of the loopback interface, and leads nowhere yet.
    pub async fn start(rng: Rng) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let shared = Arc::new(Shared {
            target: Mutex::default(),
            rng: Mutex::new(rng),
            cuts: AtomicUsize::new(0),
            is_at_peace: AtomicBool::new(false),
            all: watch::Sender::new(()),
        });
        let address = listener.local_addr()?;
        let mut lines = JoinSet::new();
        lines.spawn(accept(listener, shared.clone()));
        Ok(Self {
            address,
            shared,
            _lines: lines,
        })
    }

    /// From now on new lines lead there, or end at once.
    pub fn lead_to(&self, target: Option<SocketAddr>) {
        *self.shared.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// Cuts every line that is open.
    pub fn cut_all(&self) {
        self.shared.all.send_replace(());
    }

    /// Cuts no new line any more.
    pub fn leave_alone(&self) {
        self.shared.is_at_peace.store(true, Ordering::Relaxed);
    }

    /// How many lines were cut.
    pub fn cuts(&self) -> usize {
        self.shared.cuts.load(Ordering::Relaxed)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut lines = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { return };
                let shared = shared.clone();
                // A line that fails is one that breaks, which is what they are for.
                lines.spawn(async move { carry(client, &shared).await.unwrap_or_default() });
            }
            Some(_) = lines.join_next() => {}
        }
    }
}

/// Carries bytes both ways until either side ends, or the line is cut.
async fn carry(mut client: TcpStream, shared: &Shared) -> io::Result<()> {
    let target = *shared.target.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(target) = target else {
        return Ok(());
    };
    let mut all = shared.all.subscribe();
    let mut server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let mut cut = shared.cut();
    let (mut up, mut down) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    loop {
        let is_over = tokio::select! {
            read = client.read(&mut up) => {
                let bytes = up.get(..read?).unwrap_or_default();
                bytes.is_empty() || Cut::pass(&mut cut, &mut server, bytes).await?
            }
            read = server.read(&mut down) => {
                let bytes = down.get(..read?).unwrap_or_default();
                bytes.is_empty() || Cut::pass(&mut cut, &mut client, bytes).await?
            }
            _ = all.changed() => {
                cut = Some(Cut { bytes_left: 0, is_reset: true });
                true
            }
        };
        if !is_over {
            continue;
        }
        if let Some(cut) = cut.filter(|cut| cut.bytes_left == 0) {
            shared.cuts.fetch_add(1, Ordering::Relaxed);
            if cut.is_reset {
                client.set_zero_linger()?;
            }
        }
        return Ok(());
    }
}

impl Shared {
    /// What is to befall a new line.
    fn cut(&self) -> Option<Cut> {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_at_peace.load(Ordering::Relaxed) || rng.u32(..CUT_ONE_OF) > 0 {
            return None;
        }
        let carried = (rng.f64() * CARRIED_LOG2_MAX).exp2();
        Some(Cut {
            bytes_left: carried as usize,
            is_reset: rng.bool(),
        })
    }
}

impl Cut {
    /// Passes bytes on as far as the cut lets them; whether it is due.
    async fn pass(cut: &mut Option<Self>, to: &mut TcpStream, bytes: &[u8]) -> io::Result<bool> {
        let Some(cut) = cut else {
            to.write_all(bytes).await?;
            return Ok(false);
        };
        let allowed = cut.bytes_left.min(bytes.len());
        to.write_all(bytes.get(..allowed).unwrap_or_default()).await?;
        cut.bytes_left -= allowed;
        Ok(cut.bytes_left == 0)
    }
}
