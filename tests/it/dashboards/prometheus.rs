//! Debian's Prometheus, scraping one daemon every second; gone when dropped.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::mosquitto::free_port;
use crate::process::{get, until};

/// A running Prometheus.
pub struct Prometheus {
    child: Child,
    pub port: u16,
}

impl Prometheus {
    /// Starts one in this folder that scrapes `daemon` (host:port), and waits for its first answer.
    pub fn start(folder: &Path, daemon: &str) -> Self {
        let config = folder.join("prometheus.yml");
        let text = format!(
            "global:\n  scrape_interval: 1s\nscrape_configs:\n  - job_name: liftwatch\n    static_configs:\n      - targets: [\"{daemon}\"]\n"
        );
        std::fs::write(&config, text).unwrap();
        let port = free_port();
        let log = File::create(folder.join("prometheus.log")).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("prometheus is in Debian's package prometheus, which tests/run installs");
        let prometheus = Self { child, port };
        until("Prometheus serves", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        // It listens before it has opened its own database.
        until("Prometheus is ready", || get(&format!("http://127.0.0.1:{port}/-/ready")).0 == 200);
        until("Prometheus has scraped", || !prometheus.now("up == 1").is_empty());
        prometheus
    }

    /// What a query of its API answers; the message of a refusal.
    fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let query: Vec<String> = parameters.iter().map(|(key, value)| format!("{key}={}", escaped(value))).collect();
        let (status, body) = get(&format!("http://127.0.0.1:{}{path}?{}", self.port, query.join("&")));
        let answer: Value = serde_json::from_str(&body).map_err(|error| format!("{status} {error}: {body}"))?;
        match answer["status"].as_str() {
            Some("success") => Ok(answer["data"].clone()),
            _ => Err(answer["error"].to_string()),
        }
    }

    /// The values of a label over the series that match.
    pub fn label_values(&self, matching: &str, label: &str) -> Vec<String> {
        let path = format!("/api/v1/label/{label}/values");
        let values = self.ask(&path, &[("match[]", matching)]).unwrap_or_else(|error| panic!("{matching}: {error}"));
        values.as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_owned()).collect()
    }

    /// What an expression is now: each series' labels and value.
    pub fn now(&self, expr: &str) -> Vec<(Value, f64)> {
        self.instant(expr).unwrap_or_else(|error| panic!("{expr}: {error}"))
    }

    /// As [`Self::now`], or why Prometheus refuses.
    pub fn instant(&self, expr: &str) -> Result<Vec<(Value, f64)>, String> {
        let data = self.ask("/api/v1/query", &[("query", expr)])?;
        let series = data["result"].as_array().ok_or("not a vector")?;
        // A number is a pair of time and text.
        if data["resultType"] == "scalar" {
            return Ok(vec![(Value::Null, number(&data["result"]))]);
        }
        Ok(series.iter().map(|one| (one["metric"].clone(), number(&one["value"]))).collect())
    }

    /// How many points an expression has in the last minute, over all its series.
    pub fn points(&self, expr: &str) -> Result<usize, String> {
        let now = self.now("time()")[0].1;
        let (start, end) = (format!("{:.3}", now - 60.0), format!("{now:.3}"));
        let parameters = [("query", expr), ("start", &start), ("end", &end), ("step", "1")];
        let data = self.ask("/api/v1/query_range", &parameters)?;
        let series = data["result"].as_array().ok_or("not a matrix")?;
        Ok(series.iter().map(|one| one["values"].as_array().map_or(0, Vec::len)).sum())
    }
}

fn number(pair: &Value) -> f64 {
    pair[1].as_str().unwrap().parse().unwrap()
}

fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
