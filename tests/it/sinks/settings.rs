//! The examples of docs/SINKS.md are settings that work, and what is no setting is refused.

use liftwatch::notify::sink::SinkError;
use liftwatch::notify::sinks::{alertmanager, dingtalk, email, mqtt, webhook, wecom};
use serde::de::DeserializeOwned;

/// Reads one sink's section.
fn read<T: DeserializeOwned>(value: toml::Value, problems: impl Fn(&T) -> Vec<SinkError>) -> Vec<String> {
    match T::deserialize(value) {
        Ok(settings) => problems(&settings).iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
    }
}

/// What is wrong with the sinks in a text; each is `[[receiver.<kind>]]`.
fn problems(text: &str) -> Vec<String> {
    let table: toml::Table = text.parse().unwrap();
    let mut problems = Vec::new();
    for (kind, sections) in table["receiver"].as_table().unwrap() {
        for section in sections.as_array().unwrap().clone() {
            problems.extend(match kind.as_str() {
                "webhook" => read(section, webhook::Settings::problems),
                "alertmanager" => read(section, alertmanager::Settings::problems),
                "mqtt" => read(section, mqtt::Settings::problems),
                "email" => read(section, email::Settings::problems),
                "wecom" => read(section, wecom::Settings::problems),
                "dingtalk" => read(section, dingtalk::Settings::problems),
                other => panic!("no sink is called {other}"),
            });
        }
    }
    problems
}

#[test]
fn the_examples_of_the_document_are_settings_that_work() {
    let document = include_str!("../../../docs/SINKS.md");
    let examples: Vec<&str> =
        document.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(examples.len(), 5);
    for example in examples {
        assert_eq!(problems(example), [""; 0], "{example}");
    }
}

#[test]
fn what_is_no_setting_or_cannot_be_right_is_refused_by_its_name() {
    for (text, told) in [
        ("[[receiver.webhook]]\nurl = \"https://a\"\nsecret_files = []", "secret_files: "),
        ("[[receiver.webhook]]\nurl = \"https://a\"\nsecret = \"whsec_x\"", "`secret`"),
        ("[[receiver.webhook]]\nurl = \"https://u:p@a\"\nsecret_files = [\"k\"]", "url: "),
        ("[[receiver.alertmanager]]\nurls = []", "urls: "),
        ("[[receiver.alertmanager]]\nurls = [\"am:9093\"]", "urls: "),
        ("[[receiver.mqtt]]\nbroker = \"tcp://a\"", "must begin with mqtt://"),
        ("[[receiver.mqtt]]\nbroker = \"mqtt://a\"\nca_file = \"ca.pem\"", "ca_file: "),
        ("[[receiver.mqtt]]\nbroker = \"mqtt://a\"\nprefix = \"a/#\"", "prefix: "),
        ("[[receiver.mqtt]]\nbroker = \"mqtt://a\"\npassword = \"x\"", "`password`"),
        ("[[receiver.email]]\nhost = \"a\"\nfrom = \"a@b.example\"\nto = [\"b\"]", "to: "),
        ("[[receiver.email]]\nhost = \"a\"\nfrom = \"a@b.example\"\nto = [\"c@d.example\"]\ntls = \"maybe\"", "maybe"),
        ("[[receiver.wecom]]\nkey = \"x\"", "`key`"),
        ("[[receiver.dingtalk]]\ntoken_file = \"t\"\nurl = \"https://a/?access_token=x\"", "url: "),
    ] {
        let problems = problems(text);
        assert!(problems.len() == 1 && problems[0].contains(told), "{text}: {problems:?}");
    }
}
