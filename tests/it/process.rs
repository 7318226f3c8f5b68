//! The built program as its operator meets it: started with arguments, asked over HTTP, ended by signals.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

/// The longest that anything here is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// The registry's header, as short as a test's units need it.
pub const REGISTRY_HEADER: &str = "unit,region,kind,publisher,site,owner,maintainer\n";

/// Waits until the condition holds; `what` says in the failure what never happened.
pub fn until(what: &str, holds: impl FnMut() -> bool) {
    until_within(PATIENCE, what, holds);
}

/// As [`until`], with a patience of its own.
pub fn until_within(patience: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + patience;
    while !holds() {
        assert!(Instant::now() < end, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The program, with nothing of this shell's in its environment.
pub fn liftwatch(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_liftwatch"));
    command.args(arguments).env_remove("LIFTWATCH_LOG").env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// What a run came to.
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Run {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().expect("the program was ended by a signal"),
            out: String::from_utf8(output.stdout.clone()).unwrap(),
            err: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    /// Fails with all that was said unless the exit code is this one.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\nstdout: {}\nstderr: {}", self.out, self.err);
        self
    }
}

/// Runs the program to its end.
pub fn run(arguments: &[&str]) -> Run {
    Run::of(&liftwatch(arguments).output().unwrap())
}

/// Runs the program to its end with this on its standard input.
pub fn run_with_input(arguments: &[&str], input: &[u8]) -> Run {
    let mut command = liftwatch(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that refuses its arguments has gone before it reads.
    drop(child.stdin.take().unwrap().write_all(input));
    Run::of(&child.wait_with_output().unwrap())
}

/// Sends a signal by its name to a process that this test has started.
pub fn signal(child: &Child, name: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", child.id())]).status().unwrap();
    assert!(sent.success());
}

/// Waits for a process to end by itself.
pub fn ended(child: &mut Child) -> ExitStatus {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < end, "it does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What an address answers.
pub fn get(url: &str) -> (u16, String) {
    ask("GET", url, "", b"")
}

fn ask(method: &str, url: &str, media_type: &str, body: &[u8]) -> (u16, String) {
    let (status, bytes) = ask_bytes(method, url, media_type, body);
    (status, String::from_utf8(bytes).unwrap())
}

fn ask_bytes(method: &str, url: &str, media_type: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    if !media_type.is_empty() {
        request = request.header("Content-Type", media_type);
    }
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build().into();
    let mut response = agent.run(request.body(body.to_vec()).unwrap()).unwrap();
    (response.status().as_u16(), response.body_mut().with_config().limit(64 << 20).read_to_vec().unwrap())
}

/// A city's folder: the configuration, the database, the registry, the logs.
pub struct Folder {
    dir: tempfile::TempDir,
    starts: AtomicU32,
}

impl Folder {
    /// One region on this broker, HTTP on any free port, and whatever `more` says.
    pub fn new(broker: &str, more: &str) -> Self {
        let folder = Self { dir: tempfile::tempdir().unwrap(), starts: AtomicU32::new(0) };
        let config = format!(
            "[store]\npath = \"city.db\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [[region]]\ncode = \"350582\"\nname = \"晋江\"\nbroker = \"{broker}\"\n{more}"
        );
        folder.write("liftwatch.toml", &config);
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn config(&self) -> PathBuf {
        self.path("liftwatch.toml")
    }

    /// Imports these units by the command line; each row stands under [`REGISTRY_HEADER`].
    pub fn import(&self, rows: &str) -> Run {
        let file = self.write("units.csv", &format!("{REGISTRY_HEADER}{rows}"));
        run(&["import", "units", text(&file), "--config", text(&self.config())])
    }

    /// Starts the daemon and waits until it serves HTTP.
    pub fn serve(&self) -> Daemon {
        let mut daemon = self.spawn();
        until("the daemon serves", || {
            if let Some(status) = daemon.child.try_wait().unwrap() {
                panic!("the daemon ended with {status}: {}", daemon.log());
            }
            match daemon.address() {
                Some(address) => {
                    daemon.http = Some(address);
                    true
                }
                None => false,
            }
        });
        daemon
    }

    /// Starts the daemon and waits until it hears its broker.
    pub fn serve_connected(&self) -> Daemon {
        let daemon = self.serve();
        until("subscribed", || daemon.log().contains("subscribed"));
        daemon
    }

    /// Starts the daemon and waits for nothing.
    pub fn spawn(&self) -> Daemon {
        self.spawn_with(&[])
    }

    /// The same, with further variables in its environment.
    pub fn spawn_with(&self, environment: &[(&str, &str)]) -> Daemon {
        let log = self.path(&format!("serve-{}.log", self.starts.fetch_add(1, Ordering::Relaxed)));
        let config = self.config();
        let child = liftwatch(&["--log-format", "json", "serve", "--config", text(&config)])
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .envs(environment.iter().copied())
            .spawn();
        Daemon { child: child.unwrap(), log, http: None }
    }
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A running `serve`; killed when dropped.
pub struct Daemon {
    pub child: Child,
    log: PathBuf,
    http: Option<SocketAddr>,
}

impl Daemon {
    /// Everything that it has logged, one JSON object a line.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    fn address(&self) -> Option<SocketAddr> {
        let log = self.log();
        let (_, behind) = log.split_once("\"http\":\"")?;
        behind.split_once('"')?.0.parse().ok()
    }

    /// What an address of its own answers.
    pub fn get(&self, path: &str) -> (u16, String) {
        self.ask("GET", path, "", b"")
    }

    /// What an address of its own answers to whoever has this token.
    pub fn get_as(&self, path: &str, secret: &str) -> (u16, String) {
        let request = ureq::http::Request::builder().uri(format!("http://{}{path}", self.authority()));
        let request = request.header("Authorization", format!("Bearer {secret}")).body(()).unwrap();
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build().into();
        let mut response = agent.run(request).unwrap();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    }

    /// What an address of its own answers, where that is no text.
    pub fn bytes(&self, path: &str) -> (u16, Vec<u8>) {
        ask_bytes("GET", &format!("http://{}{path}", self.authority()), "", b"")
    }

    /// The JSON that an address answers with 200.
    pub fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Every item of a list, over all its pages.
    pub fn items(&self, path: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut after = String::new();
        let join = if path.contains('?') { '&' } else { '?' };
        loop {
            let mut page = self.json(&format!("{path}{join}limit=1000{after}"));
            all.append(page["items"].as_array_mut().unwrap());
            match &page["next"] {
                Value::Null => return all,
                Value::String(next) => after = format!("&after={next}"),
                next => after = format!("&after={next}"),
            }
        }
    }

    /// What a POST of this media type answers.
    pub fn post(&self, path: &str, media_type: &str, body: &[u8]) -> (u16, String) {
        self.ask("POST", path, media_type, body)
    }

    /// A series of `/metrics`, written as the exposition writes it; `None` where there is none.
    pub fn metric(&self, series: &str) -> Option<f64> {
        let (status, text) = self.get("/metrics");
        assert_eq!(status, 200, "{text}");
        text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }

    /// Where it serves HTTP.
    pub fn authority(&self) -> String {
        self.http.expect("it serves").to_string()
    }

    fn ask(&self, method: &str, path: &str, media_type: &str, body: &[u8]) -> (u16, String) {
        let address = self.http.expect("it serves");
        ask(method, &format!("http://{address}{path}"), media_type, body)
    }

    /// SIGTERM: it drains and says how it ended.
    pub fn stop(mut self) -> ExitStatus {
        signal(&self.child, "TERM");
        ended(&mut self.child)
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already, and then there is nothing to do.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
