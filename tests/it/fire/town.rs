//! A town to set fire to: a folder with a configuration, a registry and a database, and the daemon in it, started as often
//! as a test likes, under whatever wrapper and with whatever switch.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use liftwatch::store::verify;
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::time::Instant;

/// Held by each test for its whole length.
static TURN: Mutex<()> = Mutex::new(());

/// Waits for the machine.
pub fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many kills a campaign asks for: `LIFTWATCH_CAMPAIGN`, or what fits into everyday tests. Others take their share of it.
pub fn campaign(everyday: u64) -> u64 {
    std::env::var("LIFTWATCH_CAMPAIGN").map_or(everyday, |times| times.parse().unwrap())
}

/// Waits until the condition holds; `what` says in the failure what never happened.
pub fn wait_for(patience: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + patience;
    while !holds() {
        assert!(Instant::now() < end, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The longest that anything ordinary is waited for.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The unit that tells nothing but the last message of a test.
pub const LAST: &str = "LAST";

pub struct Town {
    dir: tempfile::TempDir,
    store: PathBuf,
    starts: AtomicU32,
}

impl Town {
    /// One region on this broker with so many units `U-0`, `U-1`, …; the database in the town's own folder.
    pub fn new(broker: &str, units: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("city.db");
        Self::with_store(dir, store, broker, units)
    }

    /// As [`Town::new`], with the database elsewhere.
    pub fn with_store(dir: tempfile::TempDir, store: PathBuf, broker: &str, units: u64) -> Self {
        let town = Self { dir, store, starts: AtomicU32::new(0) };
        let config = format!(
            "[store]\npath = \"{}\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [[region]]\ncode = \"350582\"\nname = \"晋江\"\nbroker = \"{broker}\"\n",
            town.store.display()
        );
        std::fs::write(town.path("liftwatch.toml"), config).unwrap();
        let names = (0..units).map(|unit| format!("U-{unit}")).chain([LAST.to_owned()]);
        let rows: String =
            names.map(|name| format!("{name},350582,traction,maker-a,Garden,owner-1,firm-1\n")).collect();
        let units = town.path("units.csv");
        std::fs::write(&units, format!("unit,region,kind,publisher,site,owner,maintainer\n{rows}")).unwrap();
        let mut import = Command::new(env!("CARGO_BIN_EXE_liftwatch"));
        import.arg("import").arg("units").arg(units).arg("--config").arg(town.path("liftwatch.toml"));
        let done = import.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        town
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn store(&self) -> &Path {
        &self.store
    }

    /// Starts the daemon as it is, with these variables in its environment.
    pub fn start(&self, environment: &[(&str, &str)]) -> Daemon {
        self.start_under(&[], environment)
    }

    /// Starts the daemon under a wrapper (`strace …`), with these variables in its environment.
    pub fn start_under(&self, wrapper: &[&str], environment: &[(&str, &str)]) -> Daemon {
        let switches = environment.iter().any(|(name, _)| name.starts_with("LIFTWATCH_TEST_"));
        assert!(cfg!(debug_assertions) || !switches, "switches are only in a build with debug assertions");
        let log = self.path(&format!("serve-{}.log", self.starts.fetch_add(1, Ordering::Relaxed)));
        let program = env!("CARGO_BIN_EXE_liftwatch");
        let mut command = match wrapper {
            [] => Command::new(program),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        command.args(["--log-format", "json", "serve", "--config"]).arg(self.path("liftwatch.toml"));
        command.env_remove("LIFTWATCH_LOG").env_remove("RUST_LOG").envs(environment.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        Daemon { child: command.spawn().unwrap(), log, killed: false }
    }

    /// A connection that only reads; the daemon may run.
    pub async fn reader(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(&self.store).read_only(true).connect().await.unwrap()
    }

    /// How many events the file holds.
    pub async fn events(&self) -> u64 {
        let count = sqlx::query_scalar("select count(*) from event").fetch_one(&mut self.reader().await).await;
        u64::try_from(count.unwrap_or(0_i64)).unwrap()
    }

    /// Whether the file is sound: what SQLite says, and every row held against the ledger.
    pub async fn verdict(&self) -> String {
        match verify::verify(&self.store, &[], &[]).await {
            Ok(report) if report.is_clean() => "ok".to_owned(),
            Ok(report) => report.findings.join("; "),
            Err(error) => error.to_string(),
        }
    }
}

/// A running `serve`; killed when dropped.
pub struct Daemon {
    pub child: Child,
    log: PathBuf,
    killed: bool,
}

impl Daemon {
    /// Everything that it has logged, one JSON object a line.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until it has said this.
    pub fn says(&mut self, words: &str) {
        self.says_within(PATIENCE, words);
    }

    /// As [`Daemon::says`], with a patience of its own.
    pub fn says_within(&mut self, patience: Duration, words: &str) {
        let end = Instant::now() + patience;
        while !self.log().contains(words) {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < end,
                "it never said \"{words}\" ({ended:?}): {}",
                self.log().lines().filter(|line| !line.contains("alert ")).collect::<Vec<_>>().join("\n")
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What its HTTP address answers.
    pub fn get(&self, path: &str) -> (u16, String) {
        let log = self.log();
        let (_, behind) = log.split_once("\"http\":\"").expect("it serves");
        let address = behind.split_once('"').unwrap().0;
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build().into();
        let mut answer = agent.get(format!("http://{address}{path}")).call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    }

    /// The most memory that it ever held, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    }

    /// How it ended, if it did so within this time.
    pub fn ended_within(&mut self, patience: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            if Instant::now() >= end {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asks it to drain and end.
    pub fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// SIGTERM, and its exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.terminate();
        let status = self.ended_within(PATIENCE).expect("it drains and ends");
        status.code()
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.killed = true;
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !self.killed {
            // It may have ended already, and then there is nothing to do.
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}
