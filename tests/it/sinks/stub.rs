//! A receiver of HTTP that keeps what it is sent, and behaves as it is told: well, or badly.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One request as it came; header names in lower case.
#[derive(Debug, Clone)]
pub struct Request {
    pub target: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What the stub does with a request.
#[derive(Debug, Clone)]
pub enum Act {
    /// Status, header lines (each ends with CR LF), body.
    Answer(u16, String, String),
    /// Ends the connection without a word.
    Close,
    /// Takes the request and never answers.
    Hang,
    /// One byte of a good answer's body each 100 ms, for ever.
    DripBody,
    /// One byte of the head each 100 ms, for ever.
    DripHead,
    /// A body without an end, as fast as it is taken.
    Flood,
}

impl Act {
    pub fn status(status: u16) -> Self {
        Self::Answer(status, String::new(), String::new())
    }

    pub fn json(body: &str) -> Self {
        Self::Answer(200, "content-type: application/json\r\n".to_owned(), body.to_owned())
    }
}

/// A running stub; its threads end with the test.
pub struct Stub {
    pub port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Stub {
    /// One that answers so each time.
    pub fn start(act: Act) -> Self {
        Self::scripted(move |_| act.clone())
    }

    /// One that decides by the request.
    pub fn scripted(script: impl Fn(&Request) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (kept, script) = (Arc::clone(&requests), Arc::new(script));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (kept, script) = (Arc::clone(&kept), Arc::clone(&script));
                std::thread::spawn(move || serve(stream, &kept, &*script));
            }
        });
        Self { port, requests }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, kept: &Mutex<Vec<Request>>, script: &dyn Fn(&Request) -> Act) {
    let Some(request) = read(&stream) else { return };
    kept.lock().unwrap().push(request.clone());
    let _gone = answer(stream, script(&request));
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let target = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { target, headers, body })
}

fn answer(mut stream: TcpStream, act: Act) -> std::io::Result<()> {
    let mut drip = |head: &[u8], byte: &[u8]| {
        stream.write_all(head)?;
        loop {
            std::thread::sleep(Duration::from_millis(100));
            stream.write_all(byte)?;
        }
    };
    match act {
        Act::Close => Ok(()),
        Act::Hang => {
            std::thread::sleep(Duration::from_secs(60));
            Ok(())
        }
        Act::DripBody => drip(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n", b"x"),
        Act::DripHead => drip(b"HTTP/1.1 200 OK\r\nx-slow: ", b"x"),
        Act::Flood => {
            stream.write_all(b"HTTP/1.1 500 Oh\r\ntransfer-encoding: chunked\r\n\r\n")?;
            loop {
                stream.write_all(b"400\r\n")?;
                stream.write_all(&[b'x'; 1024])?;
                stream.write_all(b"\r\n")?;
            }
        }
        Act::Answer(status, headers, body) => {
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
            )
        }
    }
}
