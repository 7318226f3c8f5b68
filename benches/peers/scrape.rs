//! `/metrics` of a city whose every lift has told its state twice: ours, and exporters that know nothing but MQTT.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::contender::UNITS;
use crate::daemon::City;
use crate::install::{Installed, recipes};
use crate::load::{self, Kind};
use crate::mosquitto::{Mosquitto, free_port};
use crate::site::peak_memory;

/// Readings of which the median counts.
const READINGS: usize = 21;

/// Who is read.
#[derive(Debug, Clone, Copy)]
pub enum Exporter {
    Liftwatch,
    /// kpetremann's mqtt-exporter: every number of every message.
    Mqtt,
    /// Debian's prometheus-mqtt-exporter with six fields.
    Prometheus,
}

/// What a reading costs.
pub struct Figures {
    pub milliseconds: f64,
    pub bytes: usize,
    pub series: usize,
    /// Peak resident memory, in MB.
    pub memory: f64,
}

/// Killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Exporter {
    pub const ALL: [Self; 3] = [Self::Liftwatch, Self::Mqtt, Self::Prometheus];

    /// As the table names it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Liftwatch => "liftwatch",
            Self::Mqtt => "mqtt-exporter",
            Self::Prometheus => "prometheus-mqtt-exporter",
        }
    }

    /// Whether every message has been taken, by its own count.
    fn has_all(self, text: &str) -> bool {
        let all = 2 * UNITS;
        let sum = |name: &str| -> f64 {
            let values = text.lines().filter(|line| line.starts_with(name));
            values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
        };
        let received = match self {
            Self::Liftwatch => sum("liftwatch_messages_received_total{class=\"state\"}"),
            Self::Mqtt => sum("mqtt_message_total{"),
            Self::Prometheus => sum("received_messages{"),
        };
        received >= all as f64
    }
}

/// Starts it, tells it 8,000 states twice, and reads it.
pub async fn measure(exporter: Exporter, installed: &Installed) -> Figures {
    let broker = Mosquitto::start_with("allow_anonymous true\nlog_type subscribe\n");
    let folder = tempfile::tempdir().unwrap();
    let (mut command, url, _city) = match exporter {
        Exporter::Liftwatch => {
            let city = City::found(&broker, UNITS, 0).await;
            (city.serve(), city.metrics_url(), Some(city))
        }
        Exporter::Mqtt => {
            let port = free_port();
            let mut command = installed.mqtt_exporter();
            command.env("MQTT_PORT", broker.port.to_string()).env("MQTT_TOPIC", "lift/v1/+/+/+/state");
            command.env("PROMETHEUS_ADDRESS", "127.0.0.1").env("PROMETHEUS_PORT", port.to_string());
            command.env("LOG_LEVEL", "WARNING");
            (command, format!("http://127.0.0.1:{port}/metrics"), None)
        }
        Exporter::Prometheus => {
            let port = free_port();
            let config = std::fs::read_to_string(recipes().join("mqtt-exporter.yaml")).unwrap();
            let path = folder.path().join("config.yaml");
            std::fs::write(&path, config.replace("PORT", &broker.port.to_string())).unwrap();
            let mut command = installed.prometheus_mqtt_exporter();
            command.arg("-config").arg(path).args(["-log-level", "error", "-listen-address", "127.0.0.1"]);
            command.arg("-listen-port").arg(port.to_string());
            (command, format!("http://127.0.0.1:{port}/metrics"), None)
        }
    };
    let running = Running(start(&mut command));
    while !broker.log().contains("lift/v1/") {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    load::publish(&broker, UNITS, 2 * UNITS, Kind::State).await;
    let began = Instant::now();
    while !exporter.has_all(&read(&url).await.unwrap_or_default()) {
        assert!(began.elapsed() < Duration::from_secs(120), "{} has not taken everything", exporter.label());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let mut times = Vec::new();
    let mut text = String::new();
    for _ in 0..READINGS {
        let at = Instant::now();
        text = read(&url).await.unwrap();
        times.push(at.elapsed().as_secs_f64() * 1_000.0);
    }
    times.sort_by(f64::total_cmp);
    Figures {
        milliseconds: times[READINGS / 2],
        bytes: text.len(),
        series: text.lines().filter(|line| !line.starts_with('#')).count(),
        memory: peak_memory(&running.0),
    }
}

fn start(command: &mut Command) -> Child {
    let started = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    started.unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

async fn read(url: &str) -> Option<String> {
    let url = url.to_owned();
    let get = move || ureq::get(&url).call().ok()?.body_mut().with_config().limit(1 << 30).read_to_string().ok();
    tokio::task::spawn_blocking(get).await.unwrap()
}
