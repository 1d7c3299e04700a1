//! Runs a seed, and makes the history of a breach as short as can be.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::{Instant, sleep, sleep_until};

use super::clients::{make_chats, perform};
use super::history::Entry;
use super::judge::{Breach, Judge, Kind, Left};
use super::plan::{CHATS, Plan};
use super::world::World;
use crate::domain::{Message, TokenCount};

/// How long everything has to settle once it works again: a lease, the time for which nobody judges one, and some
/// looks.
const SETTLES_IN: Duration = Duration::from_secs(30);
/// The most that replies may take to end behind that.
const SETTLES_IN_MAX: Duration = Duration::from_secs(120);

/// How many chances are tried for each step that is left out.
const CHANCES_TRIED: u64 = 20;

/// What came of a run.
pub struct Outcome {
    pub history: Vec<Entry>,
    pub breaches: Vec<Breach>,
}

/// Runs a plan from its beginning until everything has settled, and judges it.
pub fn run(plan: &Plan) -> Outcome {
    // Whatever the product asks of chance, and what it would load on another thread.
    fastrand::seed(plan.chance);
    TokenCount::estimate("a");
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let (outcome, left) = runtime.block_on(async {
        let world = World::new(plan);
        make_chats(&world, CHATS).await;
        let begun = Instant::now();
        for step in plan.steps.clone() {
            sleep_until(begun + Duration::from_millis(step.at)).await;
            tokio::spawn(perform(world.clone(), step.label, step.what));
        }
        sleep(Duration::from_secs(4)).await;
        world.heal();
        sleep(SETTLES_IN).await;
        let deadline = Instant::now() + SETTLES_IN_MAX;
        while Instant::now() < deadline && world.store.all_messages().iter().any(Message::is_under_way) {
            sleep(Duration::from_secs(1)).await;
        }
        sleep(Duration::from_secs(5)).await;
        let history = world.take_history();
        let chats = world.store.all_chats().into_iter();
        let chats = chats.map(|chat| (chat.id, chat)).collect();
        let left = Left {
            messages: world.store.all_messages(),
            chats,
            billed: world.store.billed(),
        };
        let breaches = Judge::new(&history, left).judge();
        world.forget_servers();
        (Outcome { history, breaches }, Arc::downgrade(&world))
    });
    drop(runtime);
    let holders = left.strong_count();
    assert_eq!(
        holders, 0,
        "seed {}: something still holds the world of the run",
        plan.seed
    );
    outcome
}

/// The breach of this kind in a plan, if there is one.
fn breach_of(plan: &Plan, kind: Kind) -> Option<Breach> {
    run(plan).breaches.into_iter().find(|breach| breach.kind == kind)
}

/// The plan with as many steps left out as can be, so that it still comes to a breach of this kind. Where that hangs on
/// chance, other chances are tried.
pub fn shrink(mut plan: Plan, kind: Kind) -> Plan {
    let mut size = plan.steps.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < plan.steps.len() {
            let mut shorter = plan.clone();
            shorter.steps.drain(at..(at + size).min(plan.steps.len()));
            let mut chances = [plan.chance].into_iter().chain(0..CHANCES_TRIED);
            let found = chances.any(|chance| {
                shorter.chance = chance;
                breach_of(&shorter, kind).is_some()
            });
            match found {
                true => plan = shorter,
                false => at += size,
            }
        }
        size /= 2;
    }
    plan
}

/// What to tell of a breach: the seed, the shortest history, and what was expected.
pub fn report(plan: Plan, kind: Kind) -> String {
    let seed = plan.seed;
    let plan = shrink(plan, kind);
    let outcome = run(&plan);
    let mut report = format!("seed {seed} breaches {kind:?}. The steps that are needed:\n");
    for step in &plan.steps {
        report += &format!("  at {:>5} ms, step {}: {:?}\n", step.at, step.label, step.what);
    }
    report += &format!(
        "{:?}, clocks ahead by {:?} ms\nWhat happened:\n",
        plan.weather, plan.skews
    );
    for entry in &outcome.history {
        report += &format!("{entry}\n");
    }
    for breach in outcome.breaches.iter().filter(|breach| breach.kind == kind) {
        report += &format!("Expected: {}\n", breach.what);
    }
    report
}
