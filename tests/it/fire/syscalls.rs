//! Each call by which a commit reaches the disk fails once, in every way: whatever it was, the file verifies, and nothing
//! is acknowledged that is not in it. The failures are strace's, and each run shows that its failure took place.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::Instant;

use super::load::{FOR_EVER, Load, Plan, Story};
use super::town::{Daemon, Town, turn};
use crate::mosquitto::Mosquitto;

const SIGKILL: i32 = 9;

/// One failure: which call on which file (its ending), how, at which time.
struct Failure {
    call: &'static str,
    file: &'static str,
    how: &'static str,
    when: u32,
}

/// All of one commit: header, frames and sync of the log; then what folds the log into the file at the end.
fn failures() -> Vec<Failure> {
    let mut all = Vec::new();
    for how in ["error=EIO", "error=ENOSPC", "signal=KILL"] {
        for when in [1, 2, 3, 6] {
            all.push(Failure { call: "pwrite64", file: "-wal", how, when });
        }
        for when in [1, 2] {
            all.push(Failure { call: "fsync,fdatasync", file: "-wal", how, when });
        }
        all.push(Failure { call: "openat", file: "", how, when: 1 });
        all.push(Failure { call: "openat", file: "-wal", how, when: 1 });
        all.push(Failure { call: "pwrite64", file: "", how, when: 1 });
        all.push(Failure { call: "fsync,fdatasync", file: "", how, when: 1 });
    }
    all
}

/// The daemon itself; `Daemon::child` is strace.
fn traced(daemon: &Daemon) -> Option<String> {
    let strace = daemon.child.id();
    let children = std::fs::read_to_string(format!("/proc/{strace}/task/{strace}/children")).ok()?;
    children.split_whitespace().next().map(str::to_owned)
}

/// One life with one failure. Returns how it ended: the exit code, or `None` for a signal.
fn live(town: &Town, runtime: &Runtime, failure: &Failure, trace: &Path, broken: &[(&str, &str)]) -> Option<i32> {
    let Failure { call, file, how, when } = failure;
    let file = format!("{}{file}", town.store().display());
    // Without --seccomp-bpf, which is faster and drops injected signals.
    let wrapper = [
        "strace",
        "-f",
        "-qq",
        "-o",
        trace.to_str().unwrap(),
        "-P",
        &file,
        "-e",
        &format!("trace={call}"),
        "-e",
        &format!("inject={call}:{how}:when={when}"),
    ];
    let before = runtime.block_on(town.events());
    let mut daemon = town.start_under(&wrapper, broken);
    let end = Instant::now() + Duration::from_secs(4);
    // strace counts for each thread, and each new connection has a new one: where a write finds no room, it never will.
    // It dies of it, or it stores some and is asked to end, which folds the log in.
    while daemon.ended_within(Duration::from_millis(20)).is_none() {
        if runtime.block_on(town.events()) > before + 100 || Instant::now() > end {
            let pid = traced(&daemon).unwrap_or_default();
            drop(Command::new("kill").args(["-TERM", &pid]).output().unwrap());
            break;
        }
    }
    let status = daemon.ended_within(Duration::from_secs(20)).expect("it ends");
    let trace = std::fs::read_to_string(trace).unwrap();
    // A traced process that was killed takes strace with it.
    let took_place = trace.contains("(INJECTED)") || status.signal() == Some(SIGKILL);
    assert!(took_place, "{call} no. {when} on {file}, {how}: it never came to it, {status}");
    status.code()
}

/// All these failures one after the other under load, and then one life in peace.
fn endure(failures: &[Failure], broken: &[(&str, &str)]) -> (Runtime, Mosquitto, Town, Story) {
    let broker = Mosquitto::start();
    let town = Town::new(&broker.url(), 100);
    let runtime = Runtime::new().unwrap();
    let mut daemon = town.start(broken);
    daemon.says("subscribed");
    let load = Load::begin(&runtime, broker.port, Plan { units: 100, rate: 300.0, from: 0, to: FOR_EVER });
    assert_eq!(daemon.stop(), Some(0));
    let trace = town.path("trace");
    for failure in failures {
        let code = live(&town, &runtime, failure, &trace, broken);
        let Failure { call, file, how, when } = failure;
        let ended = code.map_or("killed".to_owned(), |code| format!("exit {code}"));
        println!("{call} no. {when} on city.db{file}, {how}: {ended}");
        assert_eq!(runtime.block_on(town.verdict()), "ok");
        // Of the file itself it is: the log is kept until a later sync has it all, so nothing depends on this one.
        if *call == "fsync,fdatasync" && *file == "-wal" && *how == "error=EIO" {
            assert_eq!(code, Some(70), "a failed sync of the log is never tried again");
        }
    }
    let mut daemon = town.start(broken);
    daemon.says("subscribed");
    let story = load.stop(&runtime);
    story.wait_until_delivered(&runtime, &broker, &town);
    assert_eq!(daemon.stop(), Some(0));
    (runtime, broker, town, story)
}

#[test]
fn every_failing_call_of_a_commit_leaves_a_sound_file_and_loses_nothing() {
    let _turn = turn();
    let failures = failures();
    let (runtime, _broker, town, story) = endure(&failures, &[]);
    runtime.block_on(story.assert_whole(&town));
    println!("failing calls: {}, {} events, missing 0, extra 0", failures.len(), story.told);
}

#[test]
fn twin_that_acknowledges_before_a_failing_commit_is_caught() {
    let _turn = turn();
    let failures: Vec<Failure> =
        failures().into_iter().filter(|failure| failure.how == "error=EIO" && failure.file == "-wal").collect();
    let (runtime, _broker, town, story) = endure(&failures, &[("LIFTWATCH_TEST_ACK_BEFORE_COMMIT", "1")]);
    let balance = runtime.block_on(story.balance(&town));
    println!("acknowledge before commit, failing calls: {}, {} told, {balance:?}", failures.len(), story.told);
    assert!(balance.missing > 0, "{balance:?}");
}
