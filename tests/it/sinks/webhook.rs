//! The webhook: verified by two libraries of the standard's makers; called by nobody's leave into the network; and how it
//! bears a receiver that behaves badly.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use liftwatch::notify::fill::Values;
use liftwatch::notify::guard::Lookup;
use liftwatch::notify::post::{PATIENCE, Post};
use liftwatch::notify::sink::Answer;
use liftwatch::notify::sinks::webhook::{Settings, Webhook};
use tokio::time::Instant;

use super::stub::{Act, Stub};
use super::{install_tls, item, loopback, message, secret, send};

const FIRST: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr";
const SECOND: &str = "whsec_plJ3nmyCDGBKInavdOK15jsl2jYBV8YbKzE7cBjxcyxc";
const STRANGER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDazfkPRgIxU0q";

struct Hook {
    dir: tempfile::TempDir,
}

impl Hook {
    fn new() -> Self {
        install_tls();
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn settings(&self, url: &str, secrets: &[&str]) -> Settings {
        let file = |(at, text): (usize, &&str)| secret(&self.dir, &format!("key-{at}"), text);
        let secret_files: Vec<PathBuf> = secrets.iter().enumerate().map(file).collect();
        Settings { url: url.to_owned(), secret_files, ca_file: None }
    }

    fn at(&self, url: &str) -> Webhook {
        self.settings(url, &[FIRST]).connect(&Values::new(), &loopback()).unwrap()
    }
}

#[tokio::test]
async fn the_standards_own_rust_library_verifies_it_with_either_secret_of_a_rotation() {
    let stub = Stub::start(Act::status(204));
    let hook = Hook::new();
    let sink = hook.settings(&stub.url(), &[FIRST, SECOND]).connect(&Values::new(), &loopback()).unwrap();
    let message = message("alerts", vec![item("a-1", "L-1", true)]);
    assert_eq!(send(&sink, "d-1", &message).await, Answer::Delivered { status: Some(204) });

    let request = stub.requests().remove(0);
    let mut headers = axum::http::HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(name, request.headers[name].parse().unwrap());
    }
    for (secret, good) in [(FIRST, true), (SECOND, true), (STRANGER, false)] {
        let verifier = standardwebhooks::Webhook::new(secret).unwrap();
        assert_eq!(verifier.verify(&request.body, &headers).is_ok(), good, "{secret}");
    }
    let mut changed = request.body.clone();
    changed[10] ^= 1;
    assert!(standardwebhooks::Webhook::new(FIRST).unwrap().verify(&changed, &headers).is_err());
}

const VERIFY: &str = r#"
import json, sys
from standardwebhooks import Webhook, WebhookVerificationError
asked = json.load(sys.stdin)
def good(secret):
    try:
        Webhook(secret).verify(asked["body"], asked["headers"])
        return True
    except WebhookVerificationError:
        return False
print(json.dumps([good(secret) for secret in asked["secrets"]]))
"#;

/// The standard's Python library, below `target/`.
fn python_library() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("standardwebhooks-1.1.0");
    if !folder.join("standardwebhooks").exists() {
        let install = ["-m", "pip", "install", "-q", "--no-deps", "--target"];
        let output =
            Command::new("python3").args(install).arg(&folder).arg("standardwebhooks==1.1.0").output().unwrap();
        assert!(output.status.success(), "pip: {}", String::from_utf8_lossy(&output.stderr));
    }
    folder
}

#[tokio::test]
async fn the_standards_python_library_verifies_it() {
    let stub = Stub::start(Act::status(200));
    let hook = Hook::new();
    let sink = hook.settings(&stub.url(), &[FIRST, SECOND]).connect(&Values::new(), &loopback()).unwrap();
    send(&sink, "d-1", &message("alerts", vec![item("a-1", "L-1", true)])).await;

    let request = stub.requests().remove(0);
    let asked = serde_json::json!({
        "body": String::from_utf8(request.body).unwrap(), "headers": request.headers, "secrets": [FIRST, SECOND, STRANGER],
    });
    let mut python = Command::new("python3");
    let python = python.args(["-c", VERIFY]).env("PYTHONPATH", python_library()).stdin(Stdio::piped());
    let mut child = python.stdout(Stdio::piped()).spawn().unwrap();
    serde_json::to_writer(child.stdin.take().unwrap(), &asked).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "[true, true, false]");
}

#[tokio::test]
async fn it_says_what_where_since_when_and_what_is_expected_and_says_the_same_at_every_try() {
    let stub = Stub::start(Act::status(500));
    let hook = Hook::new();
    let sink = hook.at(&stub.url());
    let message = message("alerts", vec![item("a-1", "L-1", true), item("a-2", "L-2", false)]);
    for _ in 0..2 {
        assert!(matches!(send(&sink, "d-7", &message).await, Answer::Retry { status: Some(500), .. }));
    }
    let [first, again] = stub.requests().try_into().unwrap();
    assert_eq!(first.headers["webhook-id"], "d-7");
    assert_eq!(first.headers["webhook-id"], again.headers["webhook-id"]);
    assert_eq!(first.body, again.body);
    assert_eq!(first.headers["content-type"], "application/json");
    let body = first.json();
    assert_eq!(body["type"], "liftwatch.alerts");
    let alert = &body["data"]["alerts"][0];
    assert_eq!((alert["unit"].as_str(), alert["site"].as_str()), (Some("L-1"), Some("花园")));
    assert_eq!(alert["status"], "firing");
    assert_eq!(alert["expected"]["en"], "Answer within 3 minutes");
    assert!(alert["starts_at"].as_str().unwrap().ends_with('Z'), "{alert}");
    assert_eq!(body["data"]["alerts"][1]["status"], "resolved");
    assert_eq!(body["data"]["subject"], "危急：花园困人");
}

#[tokio::test]
async fn a_status_asks_for_what_it_says_and_a_redirect_is_not_followed() {
    let other = Stub::start(Act::status(200));
    let elsewhere = format!("location: {}\r\n", other.url());
    let stub = Stub::scripted(move |request| match request.target.trim_start_matches('/') {
        "302" | "307" => Act::Answer(request.target[1..].parse().unwrap(), elsewhere.clone(), String::new()),
        "429" => Act::Answer(429, "retry-after: 90\r\n".to_owned(), "slow down".to_owned()),
        status => Act::Answer(status.parse().unwrap(), String::new(), "no such hook".to_owned()),
    });
    let hook = Hook::new();
    let message = message("alerts", vec![item("a-1", "L-1", true)]);
    let answer = async |status: u16| send(&hook.at(&format!("{}/{status}", stub.url())), "d-1", &message).await;
    for status in [302, 307, 400, 401, 404] {
        assert!(matches!(answer(status).await, Answer::Refused { status: Some(told), .. } if told == status));
    }
    for status in [408, 425, 500, 503] {
        assert!(
            matches!(answer(status).await, Answer::Retry { status: Some(told), after: None, .. } if told == status)
        );
    }
    assert_eq!(
        answer(429).await,
        Answer::Retry { status: Some(429), detail: "slow down".to_owned(), after: Some(Duration::from_secs(90)) }
    );
    assert_eq!(answer(410).await, Answer::Gone { status: Some(410), detail: "no such hook".to_owned() });
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn a_receiver_that_hangs_drips_closes_or_floods_costs_ten_seconds_at_most() {
    let hook = Hook::new();
    let message = message("alerts", vec![item("a-1", "L-1", true)]);
    let tries = async |act: Act| {
        let stub = Stub::start(act);
        let begun = Instant::now();
        let answer = send(&hook.at(&stub.url()), "d-1", &message).await;
        (answer, begun.elapsed())
    };
    let closed = crate::mosquitto::free_port();
    let nobody = async { send(&hook.at(&format!("http://127.0.0.1:{closed}")), "d-1", &message).await };
    let (hang, head, body, close, flood, nobody) = tokio::join!(
        tries(Act::Hang),
        tries(Act::DripHead),
        tries(Act::DripBody),
        tries(Act::Close),
        tries(Act::Flood),
        nobody
    );
    for (answer, took) in [&hang, &head] {
        assert!(matches!(answer, Answer::Retry { status: None, .. }), "{answer:?}");
        assert!(*took >= PATIENCE && *took < PATIENCE + Duration::from_secs(2), "{took:?}");
    }
    assert_eq!(body.0, Answer::Delivered { status: Some(200) });
    assert!(body.1 < PATIENCE + Duration::from_secs(2), "{:?}", body.1);
    assert!(matches!(close.0, Answer::Retry { status: None, .. }), "{:?}", close.0);
    assert!(
        matches!(flood.0, Answer::Retry { status: Some(500), .. }) && flood.1 < Duration::from_secs(5),
        "{flood:?}"
    );
    assert!(matches!(nobody, Answer::Retry { status: None, .. }), "{nobody:?}");
}

#[tokio::test]
async fn an_address_inside_the_network_is_refused_unless_it_is_listed() {
    let stub = Stub::start(Act::status(200));
    let hook = Hook::new();
    let message = message("alerts", vec![item("a-1", "L-1", true)]);
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f000001", "2130706433", "127.1"] {
        let settings = hook.settings(&format!("http://{host}:{}/", stub.port), &[FIRST]);
        let sink = settings.connect(&Values::new(), &[]).unwrap();
        let answer = send(&sink, "d-1", &message).await;
        let Answer::Refused { status: None, detail } = answer else { panic!("{host}: {answer:?}") };
        assert!(detail.contains("loopback") && detail.contains("allow_nets"), "{detail}");
    }
    assert!(stub.requests().is_empty());
    assert!(matches!(send(&hook.at(&stub.url()), "d-1", &message).await, Answer::Delivered { .. }));
}

/// Answers the first question with an address, the others with another.
fn rebinding(first: &str, then: &str) -> (Lookup, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let (first, then): (IpAddr, IpAddr) = (first.parse().unwrap(), then.parse().unwrap());
    let count = Arc::clone(&asked);
    let lookup: Lookup = Arc::new(move |_| {
        let address = if count.fetch_add(1, Ordering::SeqCst) == 0 { first } else { then };
        Box::pin(async move { Ok(vec![address]) })
    });
    (lookup, asked)
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_called_at_the_address_that_was_checked() {
    let stub = Stub::start(Act::status(200));
    let hook = Hook::new();
    let message = message("alerts", vec![item("a-1", "L-1", true)]);
    let url = format!("http://hooks.example:{}/", stub.port);
    // 127.0.0.2 stands for the open Internet: it is listed, and 127.0.0.1, where the stub listens, is not.
    let (lookup, asked) = rebinding("127.0.0.2", "127.0.0.1");
    let post = Post::new(None, Some(["127.0.0.2".parse().unwrap()].into()), lookup).unwrap();
    let sink = hook.at(&url).by(post);
    let answer = send(&sink, "d-1", &message).await;
    assert!(matches!(answer, Answer::Retry { .. }), "nobody listens at the checked address: {answer:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let answer = send(&sink, "d-1", &message).await;
    assert!(matches!(answer, Answer::Refused { .. }), "now it points inside: {answer:?}");
    assert!(stub.requests().is_empty());
}

#[tokio::test]
async fn a_name_with_one_address_inside_is_refused_as_a_whole() {
    let lookup: Lookup =
        Arc::new(|_| Box::pin(async { Ok(vec!["1.1.1.1".parse().unwrap(), "169.254.169.254".parse().unwrap()]) }));
    let hook = Hook::new();
    let sink = hook.at("http://hooks.example/").by(Post::new(None, Some([].into()), lookup).unwrap());
    let answer = send(&sink, "d-1", &message("alerts", Vec::new())).await;
    assert!(matches!(&answer, Answer::Refused { detail, .. } if detail.contains("link-local")), "{answer:?}");
}

#[tokio::test]
async fn a_firms_name_fills_the_address_and_the_secrets_file_and_cannot_leave_them() {
    let stub = Stub::start(Act::status(200));
    let hook = Hook::new();
    secret(&hook.dir, "firm-7.key", FIRST);
    let mut settings = hook.settings(&format!("{}/{{maintainer}}/in", stub.url()), &[]);
    settings.secret_files = vec![hook.dir.path().join("{maintainer}.key")];
    let firm = |name: &str| Values::from([("maintainer".to_owned(), name.to_owned())]);
    let sink = settings.connect(&firm("firm-7"), &loopback()).unwrap();
    send(&sink, "d-1", &message("alerts", Vec::new())).await;
    assert_eq!(stub.requests()[0].target, "/firm-7/in");
    let told = settings.connect(&firm("../firm-7"), &loopback()).err().unwrap();
    assert_eq!(told.key, "secret_files");
}

#[tokio::test]
async fn what_a_receiver_echoes_is_shown_without_the_address_that_may_be_a_secret() {
    let echo = Arc::new(Mutex::new(String::new()));
    let said = Arc::clone(&echo);
    let stub = Stub::scripted(move |_| Act::Answer(400, String::new(), said.lock().unwrap().clone()));
    let hook = Hook::new();
    let url = format!("{}/services/T0K3NT0K3N", stub.url());
    *echo.lock().unwrap() = format!("no such hook {url} /services/T0K3NT0K3N");
    let answer = send(&hook.at(&url), "d-1", &message("alerts", Vec::new())).await;
    assert!(matches!(&answer, Answer::Refused { detail, .. } if !detail.contains("T0K3N")), "{answer:?}");
}
