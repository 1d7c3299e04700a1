//! What shall happen in a run: steps at moments of virtual time, drawn from the seed. A step does not depend on others,
//! so a history is made shorter by leaving steps out.

use fastrand::Rng;

use crate::domain::WhileReplying;

/// How many chats a run has.
pub const CHATS: usize = 2;

/// The weight of new prompts among all calls; every other kind has one of at most 9.
const NEW_PROMPTS: u32 = 12;

/// Everything that a run is made of. With the same plan it takes the same course.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    /// Where all chance of the run comes from that is not in the steps: the seed, unless the history is made shorter.
    pub chance: u64,
    /// By how many milliseconds the clock of each server is ahead of the store's.
    pub skews: Vec<i64>,
    pub weather: Weather,
    pub steps: Vec<Step>,
}

/// How often the parts between servers misbehave, in thousandths of all calls.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// The store does nothing and says so.
    pub refused: u32,
    /// The store does what it was told, and its answer is lost.
    pub answer_lost: u32,
    /// The store takes up to three seconds.
    pub late: u32,
    /// A write is reported as failed, and takes effect up to six seconds later.
    pub late_effect: u32,
    /// Of a prompt and its reply the reply alone is stored: the store crashed between the two.
    pub half: u32,
    /// A call takes no time, so that things happen in one millisecond.
    pub instant: u32,
    /// An event or a piece of text is lost on its way through the feed.
    pub feed_lost: u32,
    /// How long an event takes on its way through the feed at most, in milliseconds, besides the time of any call.
    pub feed_pause_max: u64,
    /// The bot's pieces come this far apart at most, in milliseconds.
    pub bot_pause_max: u64,
}

impl Weather {
    /// Whether the store does what it is told, at once, and says so.
    pub fn has_good_store(&self) -> bool {
        self.refused + self.answer_lost + self.late + self.late_effect + self.half == 0
    }
}

#[derive(Clone, Debug)]
pub struct Step {
    /// When, in milliseconds since the start.
    pub at: u64,
    /// Names the step and what it writes, also when others are left out.
    pub label: usize,
    pub what: What,
}

#[derive(Clone, Debug)]
pub enum What {
    /// A client calls a server. It goes away after so many milliseconds, if it does.
    Call {
        server: usize,
        call: Call,
        leaves_after: Option<u64>,
    },
    /// A client follows a chat from here to the end of the run, and is cut off at these moments after its start.
    Follow {
        server: usize,
        chat: usize,
        cuts: Vec<u64>,
    },
    /// A client follows the latest reply to a prompt to its end, and is cut off at these moments after its start.
    FollowReply {
        server: usize,
        label: usize,
        cuts: Vec<u64>,
    },
    /// The server ends without a word, and another takes its place after so many milliseconds.
    Kill {
        server: usize,
        down_for: u64,
    },
    /// The server is told to end: replies have so many milliseconds.
    ShutDown {
        server: usize,
        grace: u64,
    },
    /// Nothing leaves or reaches the server for so long.
    Freeze {
        server: usize,
        time: u64,
    },
    CutFromStore {
        server: usize,
        time: u64,
    },
    CutFromFeed {
        server: usize,
        time: u64,
    },
    /// The feed writes down what it has.
    SaveFeed,
    /// The feed comes back with what it wrote down last, or with nothing.
    RestartFeed {
        is_old: bool,
    },
}

/// What a client asks for. Messages are named by the label of the step that wrote them.
#[derive(Clone, Debug)]
pub enum Call {
    Send {
        chat: usize,
        label: usize,
        wish: WhileReplying,
    },
    Create {
        chat: usize,
        label: usize,
    },
    /// Another reply in place of the latest one to a prompt. The key names this wish, however often it is sent.
    Regenerate {
        label: usize,
        key: usize,
        wish: WhileReplying,
    },
    /// Gives a prompt the text of this edit.
    Edit {
        label: usize,
        edit: usize,
    },
    /// Gives a chat the title of this edit.
    Rename {
        chat: usize,
        edit: usize,
    },
    /// Reacts to the latest reply to a prompt, with this one of all reactions.
    React {
        label: usize,
        reaction: usize,
    },
    DeletePrompt {
        label: usize,
    },
    DeleteReply {
        label: usize,
    },
    DeleteChat {
        chat: usize,
    },
    StopReply {
        label: usize,
    },
    StopAll {
        chat: usize,
    },
}

impl Call {
    /// The client key that it is sent with, if it has one.
    pub fn key(&self) -> Option<String> {
        match self {
            Self::Send { label, .. } | Self::Create { label, .. } => Some(format!("k{label}")),
            Self::Regenerate { key, .. } => Some(format!("g{key}")),
            _ => None,
        }
    }
}

impl Plan {
    /// The plan of a seed. Each seed leaves some kinds of steps out and has more of others, so that rare combinations
    /// come up at all.
    pub fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let servers = rng.usize(2..=3);
        let has_bad_store = rng.u32(0..4) == 0;
        let mut rate = |max: u32| if has_bad_store { rng.u32(0..=max) } else { 0 };
        let (refused, answer_lost, late, late_effect, half) =
            (rate(30), rate(30), rate(20), rate(20), rate(100));
        // Drawn apart, so that all that was drawn before they were there stays as it is.
        let mut later = Rng::with_seed(!seed);
        let weather = Weather {
            refused,
            answer_lost,
            late,
            late_effect,
            half,
            instant: rng.u32(100..900),
            feed_lost: if rng.u32(0..4) == 0 { rng.u32(0..60) } else { 0 },
            feed_pause_max: if later.u32(0..4) == 0 {
                later.u64(20..300)
            } else {
                0
            },
            bot_pause_max: [20, 200, 800][rng.usize(0..3)],
        };
        let is_skewed = rng.u32(0..3) == 0;
        let skews = (0..servers)
            .map(|_| if is_skewed { rng.i64(-3_000..3_000) } else { 0 })
            .collect();
        let mut steps = Drawing {
            servers,
            weights: CallKind::ALL.map(|kind| (kind, if rng.u32(0..3) == 0 { 0 } else { rng.u32(1..10) })),
            faults: if rng.u32(0..3) == 0 { 0 } else { rng.usize(1..5) },
            sends: Vec::new(),
            steps: Vec::new(),
            rng,
        }
        .draw();
        more(&mut later, servers, &mut steps);
        reactions(&mut later, servers, &mut steps);
        Self {
            seed,
            chance: seed,
            skews,
            weather,
            steps,
        }
    }
}

/// More steps: edits of one thing on several servers at nearly the same time, and a shutdown in the midst of others.
fn more(rng: &mut Rng, servers: usize, steps: &mut Vec<Step>) {
    let mut push = |at: u64, what: What| {
        let label = steps.len();
        steps.push(Step { at, label, what });
    };
    if rng.u32(0..6) == 0 {
        let (begun, width) = (rng.u64(1_000..7_000), [3, 30, 2_000][rng.usize(0..3)]);
        // The label of a prompt, if there is one of it.
        let (prompt, chat) = (rng.usize(0..10), rng.usize(0..CHATS));
        let is_rename = rng.bool();
        for edit in 0..rng.usize(2..5) {
            let call = match is_rename {
                true => Call::Rename { chat, edit },
                false => Call::Edit { label: prompt, edit },
            };
            let call = What::Call {
                server: rng.usize(0..servers),
                call,
                leaves_after: None,
            };
            push(begun + rng.u64(0..width), call);
        }
    }
    if rng.u32(0..8) == 0 {
        let grace_max = [10, 3_000][rng.usize(0..2)];
        let (server, grace) = (rng.usize(0..servers), rng.u64(0..grace_max));
        let at = steps[rng.usize(0..steps.len())].at + rng.u64(0..30);
        let label = steps.len();
        let what = What::ShutDown { server, grace };
        steps.push(Step { at, label, what });
    }
    steps.sort_by_key(|step| step.at);
}

/// Reactions to one reply, most of them while it grows.
fn reactions(rng: &mut Rng, servers: usize, steps: &mut Vec<Step>) {
    let sent = |step: &Step| match step.what {
        What::Call {
            call: Call::Send { label, .. },
            ..
        } => Some((step.at, label)),
        _ => None,
    };
    let sends: Vec<_> = steps.iter().filter_map(sent).collect();
    if sends.is_empty() || rng.u32(0..4) > 0 {
        return;
    }
    let (sent_at, label) = sends[rng.usize(0..sends.len())];
    let width = [30, 300, 3_000][rng.usize(0..3)];
    for reaction in 0..rng.usize(1..5) {
        let call = Call::React { label, reaction };
        let what = What::Call {
            server: rng.usize(0..servers),
            call,
            leaves_after: None,
        };
        steps.push(Step {
            at: sent_at + rng.u64(0..width),
            label: steps.len(),
            what,
        });
    }
    steps.sort_by_key(|step| step.at);
}

/// A kind of call that comes besides new prompts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CallKind {
    Resend,
    Create,
    Edit,
    DeletePrompt,
    DeleteReply,
    DeleteChat,
    StopReply,
    StopAll,
    Regenerate,
}

impl CallKind {
    /// All of them, in the order in which they are drawn.
    const ALL: [Self; 9] = [
        Self::Resend,
        Self::Create,
        Self::Edit,
        Self::DeletePrompt,
        Self::DeleteReply,
        Self::DeleteChat,
        Self::StopReply,
        Self::StopAll,
        Self::Regenerate,
    ];
}

/// Draws the steps of a plan.
struct Drawing {
    rng: Rng,
    servers: usize,
    /// How often each kind of call comes.
    weights: [(CallKind, u32); CallKind::ALL.len()],
    faults: usize,
    /// The labels of the prompts so far, with their chats.
    sends: Vec<(usize, usize)>,
    steps: Vec<Step>,
}

impl Drawing {
    fn draw(mut self) -> Vec<Step> {
        for chat in 0..CHATS {
            for _ in 0..self.rng.usize(0..=2) {
                let at = self.rng.u64(0..4_000);
                let (server, cuts) = (self.server(), self.cuts());
                self.push(at, What::Follow { server, chat, cuts });
            }
        }
        let bursts = self.rng.usize(2..=6);
        for _ in 0..bursts {
            let at = self.rng.u64(0..6_000);
            // Most of a burst happens in one chat and in a few milliseconds.
            let (chat, width) = (self.rng.usize(0..CHATS), [1, 3, 400][self.rng.usize(0..3)]);
            let calls = if self.rng.u32(0..12) == 0 {
                20
            } else {
                self.rng.usize(1..=5)
            };
            for _ in 0..calls {
                self.call(at, width, chat, calls > 5);
            }
        }
        for _ in 0..self.faults {
            self.fault();
        }
        self.steps.sort_by_key(|step| step.at);
        self.steps
    }

    fn push(&mut self, at: u64, what: What) {
        let label = self.steps.len();
        self.steps.push(Step { at, label, what });
    }

    fn server(&mut self) -> usize {
        self.rng.usize(0..self.servers)
    }

    fn cuts(&mut self) -> Vec<u64> {
        let count = self.rng.usize(0..=2);
        (0..count).map(|_| self.rng.u64(100..8_000)).collect()
    }

    /// The kind of the next call; `None` for a new prompt.
    fn kind(&mut self) -> Option<CallKind> {
        let total: u32 = self.weights.iter().map(|(_, weight)| weight).sum();
        let mut pick = self.rng.u32(0..NEW_PROMPTS + total);
        for (kind, weight) in self.weights {
            if pick < weight {
                return Some(kind);
            }
            pick -= weight;
        }
        None
    }

    /// Whether clients of this plan send anything twice.
    fn resends(&self) -> bool {
        self.weights
            .iter()
            .any(|(kind, weight)| *kind == CallKind::Resend && *weight > 0)
    }

    fn call(&mut self, at: u64, width: u64, chat: usize, is_flood: bool) {
        let server = self.server();
        let at = at + self.rng.u64(0..width);
        let label = self.steps.len();
        let known = match self.sends.len() {
            0 => None,
            count => Some(self.sends[self.rng.usize(0..count)]),
        };
        let wish = match self.rng.u32(0..10) {
            0 => WhileReplying::Interrupt,
            1 => WhileReplying::Reject,
            _ => WhileReplying::Queue,
        };
        let send = Call::Send { chat, label, wish };
        let call = match (self.kind(), known) {
            _ if is_flood => send,
            (Some(CallKind::Resend), Some((label, chat))) => Call::Send {
                chat,
                label,
                wish: WhileReplying::Queue,
            },
            (Some(CallKind::Create), _) => Call::Create { chat, label },
            (Some(CallKind::Edit), Some((prompt, _))) => Call::Edit {
                label: prompt,
                edit: label,
            },
            (Some(CallKind::DeletePrompt), Some((label, _))) => Call::DeletePrompt { label },
            (Some(CallKind::DeleteReply), Some((label, _))) => Call::DeleteReply { label },
            (Some(CallKind::DeleteChat), _) if at > 1_500 => Call::DeleteChat { chat },
            (Some(CallKind::StopReply), Some((label, _))) => Call::StopReply { label },
            (Some(CallKind::StopAll), _) => Call::StopAll { chat },
            (Some(CallKind::Regenerate), Some((regenerated, _))) => Call::Regenerate {
                label: regenerated,
                key: label,
                wish,
            },
            _ => send,
        };
        let is_new = match call {
            Call::Send { label: own, .. } => own == label,
            Call::Regenerate { .. } => true,
            _ => false,
        };
        if let Call::Send { chat, .. } = call
            && is_new
        {
            self.sends.push((label, chat));
        }
        self.leave(server, at, call.clone());
        // Sent twice, most often at nearly the same time, as clients do whose line is bad.
        if is_new && self.resends() && self.rng.u32(0..6) == 0 {
            let width = [6, 6, 1_500][self.rng.usize(0..3)];
            let (other, later) = (self.server(), at + self.rng.u64(0..width));
            self.leave(other, later, call);
        }
        if let Some((label, _)) = known
            && self.rng.u32(0..5) == 0
        {
            let (server, at, cuts) = (self.server(), at + self.rng.u64(0..1_000), self.cuts());
            self.push(at, What::FollowReply { server, label, cuts });
        }
    }

    /// A call, whose caller may go away before it is answered.
    fn leave(&mut self, server: usize, at: u64, call: Call) {
        let leaves_after = (self.rng.u32(0..8) == 0).then(|| self.rng.u64(0..12));
        let call = What::Call {
            server,
            call,
            leaves_after,
        };
        self.push(at, call);
    }

    fn fault(&mut self) {
        let (server, at) = (self.server(), self.rng.u64(0..7_000));
        // Some come while something is being done.
        let at = match self.steps.len() {
            0 => at,
            _ if self.rng.bool() => at,
            count => {
                let later = [6, 30, 300][self.rng.usize(0..3)];
                self.steps[self.rng.usize(0..count)].at + self.rng.u64(0..later)
            }
        };
        let what = match self.rng.u32(0..10) {
            0 | 1 => What::Kill {
                server,
                down_for: self.rng.u64(100..4_000),
            },
            8 | 9 => What::ShutDown {
                server,
                grace: match self.rng.bool() {
                    true => self.rng.u64(0..10),
                    false => self.rng.u64(0..3_000),
                },
            },
            3 => What::Freeze {
                server,
                time: self.rng.u64(500..14_000),
            },
            4 => What::CutFromStore {
                server,
                time: self.rng.u64(100..12_000),
            },
            5 => What::CutFromFeed {
                server,
                time: self.rng.u64(100..4_000),
            },
            _ => {
                let is_old = self.rng.u32(0..3) > 0;
                let saved_at = at.saturating_sub(self.rng.u64(1..1_500));
                self.push(saved_at, What::SaveFeed);
                What::RestartFeed { is_old }
            }
        };
        self.push(at, what);
    }
}
