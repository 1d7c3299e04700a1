//! The simulation, run.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::fault::{Fault, put_back};
use super::judge::{KNOWN, Kind};
use super::plan::Plan;
use super::run::{report, run};

/// Seeds of a plain `cargo test`.
const SEEDS: u64 = 300;

#[expect(
    clippy::disallowed_methods,
    reason = "how `make simulate` says what is wanted"
)]
fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
    let parsed = value.parse().ok();
    Some(parsed.unwrap_or_else(|| panic!("{name} cannot be {value:?}")))
}

#[test]
fn two_runs_of_a_seed_are_the_same() {
    for seed in 0..20 {
        let trace = || -> Vec<String> {
            let history = run(&Plan::of(seed)).history;
            history.iter().map(|entry| entry.to_string()).collect()
        };
        let (first, second) = (trace(), trace());
        let same = first
            .iter()
            .zip(&second)
            .take_while(|(first, second)| first == second);
        let same = same.count();
        assert_eq!(first.get(same), second.get(same), "seed {seed}, entry {same}");
    }
}

/// Each fault, a kind of breach that it comes to, and within how many seeds.
const FAULTS: &[(Fault, Kind, u64)] = &[
    (Fault::OnlyTheOldest, Kind::StopMissed, 200),
    (Fault::NoBound, Kind::TooManyUnderWay, 200),
    (Fault::NoSweep, Kind::LeftInDeletedChat, 100),
    (Fault::JoinedIsBegun, Kind::CalledTwice, 300),
    (Fault::HalfStored, Kind::PromptWithoutReply, 100),
    (Fault::RefusedButStored, Kind::RefusedYetStored, 300),
    (Fault::DeletedPromptStays, Kind::AskedForGonePrompt, 600),
    (Fault::HistoryGoesOn, Kind::AnswersAnother, 300),
    (Fault::StopNotStored, Kind::StopMissed, 300),
    (Fault::BillLost, Kind::Unbilled, 300),
    (Fault::ClocksDecide, Kind::OrderNotRising, 100),
    (Fault::OldRunContinued, Kind::MissedUnseen, 3_000),
    (Fault::DroppedEvents, Kind::NeverTold, 100),
    (Fault::ContentKept, Kind::Stale, 300),
    (Fault::NothingFlushed, Kind::NeverTold, 300),
    (Fault::HalfIsKept, Kind::HalfIsKept, 300),
    (Fault::KeyNotStored, Kind::Doubled, 600),
    (Fault::EndsNotRead, Kind::EndUntold, 100),
    (Fault::EndToldAgain, Kind::EndTwice, 100),
    (Fault::ReactionLost, Kind::Stale, 300),
    (Fault::DeathUnnoticed, Kind::NeverTold, 300),
    (Fault::ReactionTakenBack, Kind::Stale, 300),
    (Fault::PartialLost, Kind::WrongText, 100),
];

#[test]
fn each_fault_that_is_put_back_is_found() {
    for (fault, kind, within) in FAULTS {
        put_back(Some(*fault));
        let finds = |seed: &u64| {
            run(&Plan::of(*seed))
                .breaches
                .iter()
                .any(|breach| breach.kind == *kind)
        };
        let found = (0..*within).find(finds);
        put_back(None);
        assert!(
            found.is_some(),
            "{fault:?} comes to no {kind:?} in {within} seeds"
        );
        println!("{fault:?}: {kind:?} in seed {}", found.unwrap());
    }
}

/// Prints the shortest history of each breach of the seed in `COLLOQUY_SIMULATE_SHOW`, with the fault put back that
/// `COLLOQUY_SIMULATE_FAULT` names; the whole history if there is no breach. Without a seed: of the seed 2 without a bound
/// of active replies, so that there is something to show.
#[test]
fn the_history_of_a_seed_can_be_shown() {
    let seed = setting::<u64>("COLLOQUY_SIMULATE_SHOW");
    let fault = setting::<String>("COLLOQUY_SIMULATE_FAULT").map(|name| {
        let names = || FAULTS.iter().map(|(fault, ..)| (format!("{fault:?}"), *fault));
        let named = names().find(|(other, _)| *other == name);
        let all = || names().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
        named
            .unwrap_or_else(|| panic!("no fault is called {name}, but {}", all()))
            .1
    });
    let is_example = seed.is_none() && fault.is_none();
    put_back(if is_example { Some(Fault::NoBound) } else { fault });
    let plan = Plan::of(seed.unwrap_or(2));
    let outcome = run(&plan);
    let mut breaches = outcome.breaches;
    if breaches.is_empty() {
        assert!(!is_example, "seed 2 breaches nothing without a bound");
        for entry in outcome.history {
            println!("{entry}");
        }
        println!("seed {} breaches nothing", plan.seed);
    }
    if is_example {
        breaches.truncate(1);
    }
    let steps = plan.steps.len();
    for breach in breaches {
        let report = report(plan.clone(), breach.kind);
        println!("{report}");
        let needed = report.matches(", step ").count();
        assert!(
            report.contains("Expected: ") && (1..=steps).contains(&needed),
            "{report}"
        );
    }
    put_back(None);
}

/// `make simulate`: as many seeds as are asked for; without being asked, a few hundred.
#[test]
fn no_seed_breaches_what_must_hold() {
    let (seeds, first) = (
        setting("COLLOQUY_SIMULATE_SEEDS"),
        setting("COLLOQUY_SIMULATE_FROM").unwrap_or(0),
    );
    let (begun, mut found) = (Instant::now(), BTreeMap::<Kind, Vec<u64>>::new());
    let mut told = begun;
    for seed in first..first + seeds.unwrap_or(SEEDS) {
        let plan = Plan::of(seed);
        for breach in run(&plan).breaches {
            found.entry(breach.kind).or_default().push(seed);
            assert!(KNOWN.contains(&breach.kind), "{}", report(plan, breach.kind));
        }
        if seeds.is_some() && told.elapsed() > Duration::from_secs(2) {
            told = Instant::now();
            let rate = (seed - first + 1) as f64 / begun.elapsed().as_secs_f64();
            println!("{} seeds, {rate:.0} a second", seed - first + 1);
        }
    }
    if seeds.is_some() {
        println!("{:.1} s", begun.elapsed().as_secs_f64());
        for (kind, seeds) in found {
            println!("{kind:?}: {} seeds, first {}", seeds.len(), seeds[0]);
        }
    }
}
