//! One broker and one contender that is started, stopped and killed there.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::contender::{Contender, Place};
use crate::install::Installed;
use crate::mosquitto::Mosquitto;

/// A new connection and a subscription, as the broker's log tells of them.
const LOG: &str = "allow_anonymous true\nlog_type error\nlog_type warning\nlog_type notice\nlog_type information\nlog_type subscribe\n";

/// Longest wait for a start, an end or the last row.
const PATIENCE: Duration = Duration::from_secs(300);

/// So long without a new row means that none will come.
const QUIET: Duration = Duration::from_secs(4);

/// A broker of its own, the contender's folder, and its process while it runs.
pub struct Site {
    pub broker: Mosquitto,
    place: Place,
    child: Option<Child>,
}

impl Site {
    /// A fresh broker, a fresh folder; started and subscribed.
    pub async fn open(contender: Contender, installed: &Installed) -> Self {
        let broker = Mosquitto::start_with(LOG);
        let place = contender.settle(installed, &broker).await;
        let mut site = Self { broker, place, child: None };
        site.start().await;
        site.wait_for("lift/v1/", 1).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        site
    }

    /// Starts it, and returns when it has connected.
    pub async fn start(&mut self) {
        let before = self.connections();
        let log = File::options().create(true).append(true).open(self.place.folder.path().join("peer.log")).unwrap();
        let mut command = self.place.command();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")));
        let began = Instant::now();
        while self.connections() <= before {
            assert!(began.elapsed() < PATIENCE, "{command:?} does not connect:\n{}", self.told());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// kill -9.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM, and as long as it wants.
    pub async fn stop(&mut self) {
        let mut child = self.child.take().expect("it runs");
        assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
        let began = Instant::now();
        while child.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < PATIENCE, "it does not stop:\n{}", self.told());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Peak resident memory of the running process, in MB.
    pub fn memory(&self) -> f64 {
        peak_memory(self.child.as_ref().expect("it runs"))
    }

    /// Rows now, as far as can be seen without disturbing the writer; none while there is no table yet.
    pub async fn progress(&self) -> Option<u64> {
        let unlocked = self.place.rollback;
        self.ask(self.place.count, SqliteConnectOptions::new().immutable(unlocked).read_only(unlocked)).await
    }

    /// Rows, and messages that are in some row.
    pub async fn rows(&self) -> (u64, u64) {
        let options = SqliteConnectOptions::new().busy_timeout(Duration::from_secs(60));
        let rows = self.ask(self.place.count, options.clone()).await.expect("a database that can be read");
        (rows, self.ask(self.place.distinct, options).await.expect("a database that can be read"))
    }

    async fn ask(&self, question: &'static str, options: SqliteConnectOptions) -> Option<u64> {
        let mut connection = SqliteConnection::connect_with(&options.filename(&self.place.database)).await.ok()?;
        let answer: Option<i64> = sqlx::query_scalar(question).fetch_one(&mut connection).await.ok();
        connection.close().await.ok()?;
        answer.and_then(|rows| u64::try_from(rows).ok())
    }

    /// Waits until there are `wanted` rows, or no more come; the rows, and when the last of them was seen.
    pub async fn drain(&self, wanted: u64) -> (u64, Instant) {
        let mut last = (0, Instant::now());
        while last.0 < wanted && last.1.elapsed() < QUIET {
            if let Some(rows) = self.progress().await.filter(|rows| *rows > last.0) {
                last = (rows, Instant::now());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        last
    }

    async fn wait_for(&self, words: &str, times: usize) {
        let began = Instant::now();
        while self.broker.log().matches(words).count() < times {
            assert!(began.elapsed() < PATIENCE, "no {words} in the broker's log:\n{}", self.told());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn connections(&self) -> usize {
        let log = self.broker.log();
        log.lines().filter(|line| line.contains("New client connected") && !line.contains("as bench-load")).count()
    }

    fn told(&self) -> String {
        std::fs::read_to_string(self.place.folder.path().join("peer.log")).unwrap_or_default()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Peak resident memory of a process, in MB.
pub fn peak_memory(child: &Child) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: f64 = peak.trim().trim_end_matches(" kB").trim().parse().unwrap();
    kib / 1_024.0
}
