//! The daemon under a service manager: ready when it serves, alive while the writer goes round, secrets where it is told.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use sqlx::{ConnectOptions, Connection};
use tokio::time::Instant;

use crate::mosquitto::Mosquitto;
use crate::process::{Folder, ended, liftwatch, run, signal, text};

/// The patience that the manager has in these tests.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// Stands for the manager: its socket, and what came to it.
struct Manager {
    socket: UnixDatagram,
    path: std::path::PathBuf,
}

impl Manager {
    fn listen(folder: &Folder) -> Self {
        let path = folder.path("notify");
        Self { socket: UnixDatagram::bind(&path).unwrap(), path }
    }

    /// The next message within this time.
    fn hears(&self, within: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(within)).unwrap();
        let mut bytes = [0; 256];
        let length = self.socket.recv(&mut bytes).ok()?;
        Some(String::from_utf8(bytes[..length].to_vec()).unwrap())
    }

    fn waits_for(&self, message: &str) {
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            if self.hears(Duration::from_secs(1)).is_some_and(|heard| heard == message) {
                return;
            }
        }
        panic!("the manager never hears {message:?}");
    }
}

fn serve(folder: &Folder, manager: &Path) -> std::process::Child {
    let log = std::fs::File::create(folder.path("log")).unwrap();
    liftwatch(&["serve", "--config", text(&folder.config())])
        .env("NOTIFY_SOCKET", manager)
        .env("WATCHDOG_USEC", PATIENCE.as_micros().to_string())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

#[test]
fn the_service_manager_hears_that_it_serves_lives_and_stops() {
    // Port 9 of loopback: no broker, and it is ready to serve all the same.
    let folder = Folder::new("mqtt://127.0.0.1:9", "");
    let manager = Manager::listen(&folder);
    let mut daemon = serve(&folder, &manager.path);
    manager.waits_for("READY=1\n");
    for _ in 0..5 {
        assert_eq!(manager.hears(PATIENCE).as_deref(), Some("WATCHDOG=1\n"), "within its patience");
    }
    signal(&daemon, "TERM");
    manager.waits_for("STOPPING=1\n");
    assert_eq!(ended(&mut daemon).code(), Some(0));
}

#[test]
fn a_writer_that_stands_still_is_not_called_alive() {
    let broker = Mosquitto::start();
    let folder = Folder::new(&broker.url(), "");
    folder.import("T-0001,350582,traction,maker-a,Garden,o,f\n").exits(0);
    let manager = Manager::listen(&folder);
    let mut daemon = serve(&folder, &manager.path);
    manager.waits_for("READY=1\n");
    manager.waits_for("WATCHDOG=1\n");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path("city.db"));
    let mut holder = runtime.block_on(options.connect()).unwrap();
    // Another program holds the file: the writer waits inside SQLite, ten seconds at a time.
    runtime.block_on(sqlx::raw_sql("begin immediate").execute(&mut holder)).unwrap();
    let held = Instant::now();
    while manager.hears(3 * PATIENCE).is_some() {
        assert!(held.elapsed() < Duration::from_secs(9), "it is called alive although it stands still");
    }
    assert!(std::fs::read_to_string(folder.path("log")).unwrap().contains("the writer stands still"));
    runtime.block_on(holder.close()).unwrap();
    manager.waits_for("WATCHDOG=1\n");
    signal(&daemon, "TERM");
    assert_eq!(ended(&mut daemon).code(), Some(0));
}

#[test]
fn secrets_are_read_where_the_service_manager_puts_them() {
    let keys = "username = \"daemon\"\npassword_file = \"secrets/session.password\"\n";
    let folder = Folder::new("mqtt://127.0.0.1:9", keys);
    let check = ["check", "--config", text(&folder.config())].map(str::to_owned);
    let check: Vec<&str> = check.iter().map(String::as_str).collect();
    let absent = run(&check).exits(1);
    assert!(absent.err.contains(text(&folder.path("secrets/session.password"))), "{}", absent.err);
    let handed = folder.path("credentials");
    std::fs::create_dir(&handed).unwrap();
    std::fs::write(handed.join("secrets_session.password"), "open sesame\n").unwrap();
    let checked = liftwatch(&check).env("CREDENTIALS_DIRECTORY", &handed).output().unwrap();
    assert!(checked.status.success());
    std::fs::create_dir(folder.path("secrets")).unwrap();
    folder.write("secrets/session.password", "open sesame\n");
    run(&check).exits(0);
}
