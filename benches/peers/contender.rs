//! Who is compared, how each is started, and where its rows are.

use std::path::PathBuf;
use std::process::Command;

use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::daemon::City;
use crate::install::{Installed, recipes};
use crate::mosquitto::{Mosquitto, free_port};

/// Units that the messages speak of.
pub const UNITS: u64 = 8_000;

/// One way to get lift events from a broker into SQLite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contender {
    Liftwatch,
    /// `subscriber.py`: paho-mqtt, acknowledges after the commit, batches, WAL, FULL, a unique key.
    Subscriber,
    /// mqtt in, function, sqlite, as dragged from the palette.
    NodeRed,
    /// Our flow: kept session, QoS 1, WAL, one insert at a time for all that waits.
    NodeRedTuned,
    /// As its README shows it.
    Logger,
    /// `logger.py`: kept session, QoS 1, WAL.
    LoggerTuned,
}

/// A contender on its own folder, at one broker.
pub struct Place {
    command: Box<dyn Fn() -> Command + Send + Sync>,
    pub database: PathBuf,
    /// Counts rows.
    pub count: &'static str,
    /// Counts rows without those that say the same again.
    pub distinct: &'static str,
    /// A rollback journal: a writer that never pauses lets no reader in, and a reader's lock would slow it.
    pub rollback: bool,
    pub folder: tempfile::TempDir,
}

impl Place {
    /// The command that runs it.
    pub fn command(&self) -> Command {
        (self.command)()
    }
}

impl Contender {
    pub const ALL: [Self; 6] =
        [Self::Liftwatch, Self::Subscriber, Self::NodeRed, Self::NodeRedTuned, Self::Logger, Self::LoggerTuned];

    /// As `BENCH_PEERS` names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Liftwatch => "liftwatch",
            Self::Subscriber => "subscriber",
            Self::NodeRed | Self::NodeRedTuned => "node-red",
            Self::Logger | Self::LoggerTuned => "logger",
        }
    }

    /// As the table names it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Liftwatch => "liftwatch",
            Self::Subscriber => "Python, ack after commit",
            Self::NodeRed => "Node-RED, default flow",
            Self::NodeRedTuned => "Node-RED, our tuned flow",
            Self::Logger => "mqtt-logger, as it comes",
            Self::LoggerTuned => "mqtt-logger, tuned by us",
        }
    }

    /// One commit per row.
    pub const fn is_slow(self) -> bool {
        matches!(self, Self::NodeRed | Self::Logger | Self::LoggerTuned)
    }

    /// A new folder with an empty database.
    pub async fn settle(self, installed: &Installed, broker: &Mosquitto) -> Place {
        match self {
            Self::Liftwatch => liftwatch(broker).await,
            Self::Subscriber => python(installed, broker, "subscriber", &[]),
            Self::Logger => python(installed, broker, "logger", &["default"]),
            Self::LoggerTuned => python(installed, broker, "logger", &["tuned"]),
            Self::NodeRed => node_red(installed, broker, "flow-default.json", "delete").await,
            Self::NodeRedTuned => node_red(installed, broker, "flow-tuned.json", "wal").await,
        }
    }
}

async fn liftwatch(broker: &Mosquitto) -> Place {
    let city = City::found(broker, UNITS, 0).await;
    Place {
        database: city.database(),
        command: Box::new(move || city.serve()),
        count: "select count(*) from event",
        distinct: "select count(*) from (select distinct unit, boot, seq from event)",
        rollback: false,
        folder: tempfile::tempdir().unwrap(),
    }
}

fn python(installed: &Installed, broker: &Mosquitto, name: &str, more: &'static [&'static str]) -> Place {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("rows.db");
    let (interpreter, script) = (installed.python(name).get_program().to_owned(), recipes().join(format!("{name}.py")));
    let (port, path) = (broker.port.to_string(), database.clone());
    let command = move || {
        let mut command = Command::new(&interpreter);
        command.arg(&script).arg(&port).arg(&path).args(more);
        command
    };
    let [count, distinct] = if name == "subscriber" {
        ["select count(*) from event", "select count(*) from (select distinct topic, payload from event)"]
    } else {
        ["select count(*) from log", "select count(*) from (select distinct topic, message from log)"]
    };
    let rollback = more == ["default"];
    Place { command: Box::new(command), database, count, distinct, rollback, folder }
}

/// The flow expects a table; who draws it makes one by hand.
async fn node_red(installed: &Installed, broker: &Mosquitto, flow: &str, journal: &str) -> Place {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("rows.db");
    let options = SqliteConnectOptions::new().filename(&database).create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let table = format!(
        "pragma journal_mode = {journal}; \
         create table message (id integer primary key, topic text not null, payload text not null)"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(table)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let node_red = installed.node_red();
    let program = node_red.get_program().to_owned();
    let arguments: Vec<_> = node_red.get_args().map(ToOwned::to_owned).collect();
    for name in [flow, "settings.js"] {
        std::fs::copy(recipes().join(name), folder.path().join(name)).unwrap();
    }
    let (home, flow, own) = (folder.path().to_owned(), flow.to_owned(), free_port().to_string());
    let (port, path) = (broker.port.to_string(), database.clone());
    let command = move || {
        let mut command = Command::new(&program);
        command.args(&arguments).arg("--userDir").arg(&home).args(["--port", &own]).arg(home.join(&flow));
        command.env("PEER_PORT", &port).env("PEER_DATABASE", &path);
        command
    };
    Place {
        command: Box::new(command),
        database,
        count: "select count(*) from message",
        distinct: "select count(*) from (select distinct topic, payload from message)",
        rollback: journal != "wal",
        folder,
    }
}
