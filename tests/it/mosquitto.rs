//! A real broker for a test: mosquitto on a free loopback port, gone when dropped.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running mosquitto with its own folder.
pub struct Mosquitto {
    pub port: u16,
    dir: tempfile::TempDir,
    child: Option<Child>,
}

impl Mosquitto {
    /// Starts one that lets everybody in and queues enough for any test.
    pub fn start() -> Self {
        Self::start_with("allow_anonymous true\n")
    }

    /// Starts one with these lines after the listener, the queue limits and the log.
    pub fn start_with(lines: &str) -> Self {
        let port = free_port();
        let dir = tempfile::tempdir().unwrap();
        // Started by root, it would become a user that may not write into this folder.
        let config = format!(
            "user root\nlistener {port} 127.0.0.1\nmax_queued_messages 1000000\nmax_inflight_messages 0\n\
             set_tcp_nodelay true\nmax_keepalive 65535\npersistence false\nlog_dest file {}\n{lines}",
            dir.path().join("mosquitto.log").display(),
        );
        std::fs::write(dir.path().join("mosquitto.conf"), config).unwrap();
        let mut broker = Self { port, dir, child: None };
        broker.spawn();
        broker
    }

    /// The address as the configuration of the daemon wants it.
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("mosquitto.log")).unwrap_or_default()
    }

    /// kill -9, as a power cut does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Ends it as a service manager does: it writes down what it is to remember.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
            assert!(child.wait().unwrap().success(), "{}", self.log());
        }
    }

    /// Starts it again on the same port, with what its configuration lets it remember.
    pub fn spawn(&mut self) {
        let config = self.dir.path().join("mosquitto.conf");
        let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto"];
        let program =
            program.iter().find(|path| Path::new(path).exists()).expect("mosquitto: apt-get install mosquitto");
        let child = Command::new(program).arg("-c").arg(config).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.child = Some(child.unwrap());
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("mosquitto does not accept connections: {}", self.log());
    }

    /// Publishes one message with QoS 1 and waits until the broker has it.
    pub fn publish(&self, topic: &str, payload: &[u8]) {
        self.publish_with(topic, payload, &[]);
    }

    /// As [`Self::publish`], with more arguments for mosquitto_pub.
    pub fn publish_with(&self, topic: &str, payload: &[u8], arguments: &[&str]) {
        let mut child = Command::new("mosquitto_pub")
            .args(["-V", "5", "-h", "127.0.0.1", "-p", &self.port.to_string(), "-q", "1", "-t", topic, "-s"])
            .args(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .expect("mosquitto_pub: apt-get install mosquitto-clients");
        child.stdin.take().unwrap().write_all(payload).unwrap();
        assert!(child.wait().unwrap().success());
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A loopback port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
