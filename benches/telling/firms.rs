//! The firms' end: one HTTP server for all of them, which notes when it first hears of each unit. One firm never answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The firm that takes requests and answers none.
pub const HANGING: u64 = 7;

type Heard = Arc<Mutex<HashMap<u64, Instant>>>;

/// Ends with the runtime.
pub struct Firms {
    pub port: u16,
    heard: Heard,
}

impl Firms {
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Heard::default();
        let noted = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&noted)));
            }
        });
        Self { port, heard }
    }

    /// Returns when so many units were heard of.
    pub async fn have(&self, units: usize) {
        let patience = Instant::now() + Duration::from_secs(300);
        while self.heard.lock().unwrap().len() < units {
            assert!(Instant::now() < patience, "{} of {units} are told", self.heard.lock().unwrap().len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// When each unit was first heard of.
    pub fn first(&self) -> HashMap<u64, Instant> {
        self.heard.lock().unwrap().clone()
    }

    /// When the last unit was first heard of.
    pub fn last(&self) -> Instant {
        self.heard.lock().unwrap().values().copied().max().unwrap()
    }
}

/// Answers one connection's requests until it closes.
async fn answer(mut stream: TcpStream, heard: Heard) {
    let mut bytes = Vec::new();
    loop {
        let Some((target, body, length)) = request(&bytes) else {
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
            continue;
        };
        let at = Instant::now();
        if target == format!("/firm-{HANGING}") {
            std::future::pending::<()>().await;
        }
        let body: serde_json::Value = serde_json::from_slice(body).unwrap();
        for alert in body["data"]["alerts"].as_array().unwrap() {
            let unit = alert["unit"].as_str().unwrap().strip_prefix("U-").unwrap().parse().unwrap();
            heard.lock().unwrap().entry(unit).or_insert(at);
        }
        bytes.drain(..length);
        if stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.is_err() {
            return;
        }
    }
}

/// The target, the body and the whole length of the first request, once all of it is there.
fn request(bytes: &[u8]) -> Option<(String, &[u8], usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let target = head.split(' ').nth(1)?.to_owned();
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let whole = end + length.unwrap_or(0);
    (bytes.len() >= whole).then(|| (target, &bytes[end..whole], whole))
}
