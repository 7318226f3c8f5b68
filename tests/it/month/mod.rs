//! A month of a city, told to the real pipeline on a real file by a clock that a test sets: at the end of every week the
//! alerts are those of a naive witness, memory is what it was after two days, and the write-ahead log stayed small.
//!
//! `LIFTWATCH_MONTH=8000` sets the number of units, `LIFTWATCH_MONTH_BEAT=10` the minutes between two heartbeats.

mod plan;

mod controllers;

mod post;

mod life;

mod numbers;

mod witness;

mod account;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use liftwatch::domain::time::MINUTE;
use tokio::time::Instant;

use crate::fire::town::turn;
use account::{Account, LOG, MIB};
use life::{Evening, Life};
use plan::Plan;
use post::{Post, Step};
use witness::{Deaf, Witness, by_rule};

/// The days after which alerts are compared.
const LOOKS: [i64; 5] = [7, 14, 21, 28, 30];

/// Tell the other half of the test where to live, and which part of it: the daemon's first life, its second one, or a look
/// at the alerts of a day.
const FOLDER: &str = "LIFTWATCH_MONTH_FOLDER";
const PART: &str = "LIFTWATCH_MONTH_PART";
const FIRST: &str = "first";
const SECOND: &str = "second";

/// A number out of the environment, or what fits into everyday tests.
fn asked(name: &str, everyday: i64) -> i64 {
    std::env::var(name).map_or(everyday, |number| number.parse().unwrap())
}

fn plan() -> Plan {
    let units = usize::try_from(asked("LIFTWATCH_MONTH", 800)).unwrap();
    Plan { units, days: 30, beat: asked("LIFTWATCH_MONTH_BEAT", 10) * MINUTE, seed: 1 }
}

/// What must be on a day.
struct Expected {
    alerts: BTreeSet<String>,
    silent: HashSet<String>,
    /// What each deaf witness takes for the truth.
    deaf: Vec<(Deaf, BTreeSet<String>)>,
}

/// Hears the whole month as a witness, and as each deaf one.
fn witness(plan: Plan) -> BTreeMap<i64, Expected> {
    let city = plan.city();
    let mut witness = Witness::new(plan, &city, None);
    let deaf = [Deaf::LateFacts, Deaf::Visits, Deaf::Outages, Deaf::Levels];
    let mut deaf = deaf.map(|deaf| (deaf, Witness::new(plan, &city, Some(deaf))));
    let mut expected = BTreeMap::new();
    for (now, step) in Post::new(plan, &city) {
        witness.notes(now, &step);
        deaf.iter_mut().for_each(|(_, witness)| witness.notes(now, &step));
        let Step::Day(day) = step else { continue };
        if LOOKS.contains(&day) {
            let deaf = deaf.iter().map(|(deaf, witness)| (*deaf, witness.alerts(now))).collect();
            expected.insert(day, Expected { alerts: witness.alerts(now), silent: witness.silent(), deaf });
        }
    }
    println!("the witness rests on {} facts", witness.facts());
    expected
}

/// Starts the other half in a process of its own, so that nothing but the daemon's side is in its memory.
fn start(part: &str, folder: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "month::the_alerts_of_a_month_are_the_witnesses", "--nocapture"]);
    child.env(FOLDER, folder).env(PART, part).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    child.spawn().unwrap()
}

/// Waits for its end, and answers whether it ended well.
fn ends(child: Child) -> (bool, String) {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

/// What the test is in the processes that it starts.
fn the_daemons_half(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let part = std::env::var(PART).unwrap();
    runtime.block_on(async {
        let mut life = match part.as_str() {
            FIRST => Life::first(plan(), folder).await,
            SECOND => Life::second(plan(), folder).await,
            day => return account::look(folder, day.parse().unwrap()).await,
        };
        loop {
            match life.day().await {
                Evening::Day(day) => {
                    account::sample(folder, &part, day, &life);
                    if LOOKS.contains(&day) {
                        let (well, said) = ends(start(&day.to_string(), folder));
                        assert!(well, "{said}");
                    }
                }
                Evening::Kill => {
                    account::done(folder, &life);
                    // As kill -9: nothing is flushed, nothing is closed.
                    std::process::abort();
                }
                Evening::Over => break,
            }
        }
        account::done(folder, &life);
        assert_eq!(life.conflicts().await, 0, "no fact contradicts another");
    });
}

#[test]
fn the_alerts_of_a_month_are_the_witnesses() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return the_daemons_half(Path::new(&folder));
    }
    let _turn = turn();
    let plan = plan();
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let first = start(FIRST, folder.path());
    let expected = std::thread::spawn(move || witness(plan));
    let (well, said) = ends(first);
    assert!(!well && folder.path().join("alerts-14").exists(), "it lives until it is killed: {said}");
    let (well, said) = ends(start(SECOND, folder.path()));
    assert!(well, "{said}");
    let lived = began.elapsed();
    let expected = expected.join().unwrap();

    let account = Account::read(folder.path());
    println!("{} units, {} days in {lived:.0?}, {}", plan.units, plan.days, account.taken);
    println!("{}", account.table());
    for (day, expected) in &expected {
        let alerts = &account.alerts[day];
        println!("day {day}: {} alerts, {:?}", alerts.len(), by_rule(&expected.alerts));
        account::assert_same(*day, alerts, &expected.alerts);
        account::assert_firing(*day, alerts, &expected.silent);
    }
    let last = &expected[&plan.days];
    let rules = by_rule(&last.alerts);
    assert!(rules.len() >= 8, "nearly every rule had something to say: {rules:?}");
    for (deaf, alerts) in &last.deaf {
        let wrong = alerts.symmetric_difference(&last.alerts).count();
        println!("deaf to {deaf:?}: {wrong} alerts differ");
        assert!(wrong > 0, "a witness that is deaf to {deaf:?} is not told from one that hears");
    }
    account.assert_flat();
    assert!(account.log() < LOG, "the log became {} MiB", account.log() / MIB);
}

#[test]
fn twin_with_a_reader_that_never_ends_has_a_log_that_grows() {
    let _turn = turn();
    let plan = Plan { units: 2_000, days: 8, beat: 60 * MINUTE, seed: 1 };
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut life = Life::first(plan, folder.path()).await;
        let mut reader = false;
        while let Evening::Day(day) = life.day().await {
            println!("day {day}: log {} MiB", life.log_now() / MIB);
            if life.log_now() > LOG {
                return;
            }
            if !std::mem::replace(&mut reader, true) {
                assert!(life.log < LOG, "it was small until somebody read for ever");
                life.hold_a_reader_open().await;
            }
        }
        panic!("the log is {} MiB: nobody would notice one that grows", life.log / MIB);
    });
}
