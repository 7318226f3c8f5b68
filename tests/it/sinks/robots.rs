//! The group robots against stubs that check the public format. No real robot was at hand.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use liftwatch::notify::fill::Values;
use liftwatch::notify::sink::{Answer, Parcel, Sink, Text};
use liftwatch::notify::sinks::{dingtalk, wecom};
use sha2::Sha256;

use super::stub::{Act, Request, Stub};
use super::{install_tls, item, loopback, message, now, secret, send, text};

const OK: &str = r#"{"errcode":0,"errmsg":"ok"}"#;
const DELIVERED: Answer = Answer::Delivered { status: Some(200) };
const KEY: &str = "693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa";
const TOKEN: &str = "566cc69da782ec3b6e5d2c1a";
const SECRET: &str = "SECd8f1a0c2b4e6";

/// The address without its question mark, and the decoded pairs behind it.
fn query(request: &Request) -> (String, Vec<(String, String)>) {
    let (path, query) = request.target.split_once('?').unwrap();
    let decode = |text: &str| {
        let mut bytes = text.bytes();
        let mut decoded = Vec::new();
        while let Some(byte) = bytes.next() {
            decoded.push(match byte {
                b'%' => {
                    let pair = [bytes.next().unwrap(), bytes.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&pair).unwrap(), 16).unwrap()
                }
                b'+' => b' ',
                byte => byte,
            });
        }
        String::from_utf8(decoded).unwrap()
    };
    let pairs = query.split('&').map(|pair| {
        let (name, value) = pair.split_once('=').unwrap();
        (decode(name), decode(value))
    });
    (path.to_owned(), pairs.collect())
}

struct Keys {
    dir: tempfile::TempDir,
}

impl Keys {
    fn new() -> Self {
        install_tls();
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        secret(&self.dir, name, text)
    }

    fn wecom(&self, stub: &Stub) -> wecom::Wecom {
        let url = Some(format!("{}/cgi-bin/webhook/send", stub.url()));
        let settings = wecom::Settings { key_file: self.file("key", KEY), url, ca_file: None };
        assert_eq!(settings.problems(), []);
        settings.connect(&Values::new(), &loopback()).unwrap()
    }

    fn dingtalk(&self, stub: &Stub, signed: bool) -> dingtalk::Dingtalk {
        let settings = dingtalk::Settings {
            token_file: self.file("token", TOKEN),
            secret_file: signed.then(|| self.file("secret", SECRET)),
            url: Some(format!("{}/robot/send", stub.url())),
            ca_file: None,
        };
        assert_eq!(settings.problems(), []);
        settings.connect(&Values::new(), &loopback()).unwrap()
    }
}

/// A message whose markdown has this many lines of 40 bytes.
fn long(lines: usize) -> Text {
    Text { markdown: format!("{}\n", "困".repeat(13)).repeat(lines), ..text() }
}

#[tokio::test]
async fn wecom_gets_markdown_under_its_key() {
    let stub = Stub::start(Act::json(OK));
    let sink = Keys::new().wecom(&stub);
    assert_eq!(send(&sink, "d-1", &message("alerts", vec![item("a-1", "L-1", true)])).await, DELIVERED);
    let request = stub.requests().remove(0);
    let (path, pairs) = query(&request);
    assert_eq!(path, "/cgi-bin/webhook/send");
    assert_eq!(pairs, [("key".to_owned(), KEY.to_owned())]);
    assert!(request.headers["content-type"].starts_with("application/json"));
    let body = serde_json::json!({ "msgtype": "markdown", "markdown": { "content": text().markdown } });
    assert_eq!(request.json(), body);
    assert_eq!(sink.limit(), Some((20, Duration::from_secs(60))));
}

#[tokio::test]
async fn dingtalk_gets_markdown_with_a_title_under_a_signed_address() {
    let stub = Stub::start(Act::json(OK));
    let keys = Keys::new();
    let sink = keys.dingtalk(&stub, true);
    let begun = now().0;
    assert_eq!(send(&sink, "d-1", &message("alerts", vec![item("a-1", "L-1", true)])).await, DELIVERED);
    let request = stub.requests().remove(0);
    let (path, pairs) = query(&request);
    assert_eq!(path, "/robot/send");
    let names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["access_token", "timestamp", "sign"]);
    assert_eq!(pairs[0].1, TOKEN);
    let millis: i64 = pairs[1].1.parse().unwrap();
    assert!((begun..begun + 10_000).contains(&millis));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{millis}\n{SECRET}").as_bytes());
    assert_eq!(pairs[2].1, STANDARD.encode(mac.finalize().into_bytes()));
    let text = text();
    let markdown = serde_json::json!({ "title": text.subject, "text": text.markdown });
    assert_eq!(request.json(), serde_json::json!({ "msgtype": "markdown", "markdown": markdown }));
    assert_eq!(sink.limit(), Some((20, Duration::from_secs(60))));

    send(&keys.dingtalk(&stub, false), "d-2", &message("test", Vec::new())).await;
    assert_eq!(query(&stub.requests()[1]).1, [("access_token".to_owned(), TOKEN.to_owned())]);
}

#[tokio::test]
async fn a_text_that_is_too_long_is_cut_between_its_lines() {
    let stub = Stub::start(Act::json(OK));
    let keys = Keys::new();
    let message = message("digest", Vec::new());
    let long = long(600);
    let parcel = Parcel { key: "d-1", attempt: 1, message: &message, text: &long, now: now() };
    assert_eq!(keys.wecom(&stub).send(parcel).await, DELIVERED);
    assert_eq!(keys.dingtalk(&stub, true).send(parcel).await, DELIVERED);
    let [wecom, dingtalk] = stub.requests().try_into().unwrap();
    let body = wecom.json();
    let content = body["markdown"]["content"].as_str().unwrap();
    assert!(content.len() <= 4096 && content.len() > 4000 && content.ends_with("困\n…"), "{}", content.len());
    assert!(dingtalk.body.len() <= 20_000, "{}", dingtalk.body.len());
}

#[tokio::test]
async fn a_code_says_whether_to_wait_to_try_again_or_to_give_up() {
    let told = |code: i64| format!(r#"{{"errcode":{code},"errmsg":"no: {KEY} {TOKEN}"}}"#);
    let stub = Stub::scripted(move |request| {
        let body = request.json();
        let code = body["markdown"].to_string();
        let code = code.split("code ").nth(1).and_then(|rest| rest.split('!').next()).unwrap();
        Act::json(&told(code.parse().unwrap()))
    });
    let keys = Keys::new();
    let (wecom, dingtalk) = (keys.wecom(&stub), keys.dingtalk(&stub, true));
    let answer = async |sink: &dyn Sink, code: i64| {
        let text = Text { markdown: format!("code {code}!"), ..text() };
        let message = message("test", Vec::new());
        let answer = sink.send(Parcel { key: "d-1", attempt: 1, message: &message, text: &text, now: now() }).await;
        let shown = format!("{answer:?}");
        assert!(shown.contains(&format!("errcode {code}: no")), "{shown}");
        assert!(!shown.contains(if sink.kind() == "wecom" { KEY } else { TOKEN }), "{shown}");
        answer
    };
    let waits = |seconds| Some(Duration::from_secs(seconds));
    assert!(matches!(answer(&wecom, 45009).await, Answer::Retry { after, .. } if after == waits(60)));
    assert!(matches!(answer(&dingtalk, 130_101).await, Answer::Retry { after, .. } if after == waits(600)));
    assert!(matches!(answer(&wecom, -1).await, Answer::Retry { after: None, .. }));
    assert!(matches!(answer(&dingtalk, -1).await, Answer::Retry { after: None, .. }));
    assert!(matches!(answer(&wecom, 93000).await, Answer::Refused { .. }), "no robot of this key");
    assert!(matches!(answer(&dingtalk, 310_000).await, Answer::Refused { .. }), "wrong signature or keyword");
}

#[tokio::test]
async fn an_answer_that_is_none_of_a_robots_is_no_delivery() {
    let keys = Keys::new();
    for (act, refused) in [
        (Act::json("<html>welcome</html>"), false),
        (Act::json("{}"), false),
        (Act::status(502), false),
        (Act::status(404), true),
    ] {
        let stub = Stub::start(act);
        let answer = send(&keys.wecom(&stub), "d-1", &message("test", Vec::new())).await;
        assert_eq!(matches!(answer, Answer::Refused { .. }), refused, "{answer:?}");
        assert_eq!(matches!(answer, Answer::Retry { .. }), !refused, "{answer:?}");
    }
}

#[test]
fn a_key_in_the_address_is_pointed_to_its_file() {
    let url = Some("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=x".to_owned());
    let told = wecom::Settings { key_file: "k".into(), url, ca_file: None }.problems();
    assert!(told[0].problem.contains("key_file"), "{told:?}");
}
