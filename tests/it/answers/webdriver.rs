//! A real browser that a test clicks in, by the WebDriver protocol.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::process::until;

/// How a found element is named in an answer (W3C WebDriver, section 12).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one window, closed with its driver at the end.
pub struct Browser {
    driver: Child,
    session: String,
    agent: ureq::Agent,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts a browser without a screen.
    pub fn start() -> Self {
        Self::sized("800,600")
    }

    /// The same with the window of a phone.
    pub fn phone() -> Self {
        Self::sized("390,844")
    }

    fn sized(window: &str) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is in Debian's package chromium-driver, which tests/run installs");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next().expect("chromedriver says its port").unwrap();
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        // Whatever else it says is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let settings = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
        let agent = settings.timeout_global(Some(Duration::from_secs(60))).build().into();
        let profile = tempfile::tempdir().unwrap();
        let mut browser =
            Self { driver, session: format!("http://127.0.0.1:{port}/session"), agent, _profile: profile };
        let folder = format!("--user-data-dir={}", browser._profile.path().display());
        let window = format!("--window-size={window}");
        let arguments = json!([
            window,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--no-proxy-server",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--lang=en",
            folder,
        ]);
        let downloads =
            json!({"download.default_directory": browser.downloads(), "download.prompt_for_download": false});
        let options = json!({"args": arguments, "prefs": downloads});
        let wish = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}});
        let made = browser.ask("POST", "", &wish);
        browser.session = format!("{}/{}", browser.session, made["sessionId"].as_str().unwrap());
        browser
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let text = if method == "GET" { String::new() } else { body.to_string() };
        let request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.session));
        let mut response = self.agent.run(request.body(text).unwrap()).unwrap();
        let answer: Value = serde_json::from_str(&response.body_mut().read_to_string().unwrap()).unwrap();
        assert!(response.status().is_success(), "{method} {path} {body}: {answer}");
        answer["value"].clone()
    }

    /// Opens an address.
    pub fn open(&self, address: &str) {
        self.ask("POST", "/url", &json!({ "url": address }));
    }

    /// The address of the page that is shown.
    pub fn address(&self) -> String {
        self.ask("GET", "/url", &Value::Null).as_str().unwrap().to_owned()
    }

    /// The page as it is now.
    pub fn page(&self) -> String {
        self.ask("GET", "/source", &Value::Null).as_str().unwrap().to_owned()
    }

    fn find(&self, selector: &str) -> String {
        let found = self.ask("POST", "/element", &json!({"using": "css selector", "value": selector}));
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    /// Clicks, and waits for the page that it leads to.
    pub fn click(&self, selector: &str) {
        let element = self.find(selector);
        self.ask("POST", &format!("/element/{element}/click"), &json!({}));
        // The driver does not wait for a page of another origin. What was clicked is gone when the next page is there.
        until("the click leads to another page", || !self.is_there(&element));
    }

    /// Clicks on what leads nowhere, such as a box to tick.
    pub fn tap(&self, selector: &str) {
        let element = self.find(selector);
        self.ask("POST", &format!("/element/{element}/click"), &json!({}));
    }

    /// Runs a script in the page, as an extension of the person would, and answers what it returns.
    pub fn run(&self, script: &str) -> Value {
        self.ask("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Writes a picture of the whole page to the folder of `PICTURES`, where that is set, for a person to look at.
    pub fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("PICTURES") else { return };
        let height = self.run("return document.documentElement.scrollHeight").as_i64().unwrap();
        let shown = self.ask("GET", "/window/rect", &Value::Null);
        self.ask("POST", "/window/rect", &json!({ "width": shown["width"], "height": height + 200 }));
        let taken = self.ask("GET", "/screenshot", &Value::Null);
        let bytes =
            base64::Engine::decode(&base64::engine::general_purpose::STANDARD, taken.as_str().unwrap()).unwrap();
        std::fs::write(std::path::Path::new(&folder).join(format!("{name}.png")), bytes).unwrap();
        self.ask("POST", "/window/rect", &json!({ "width": shown["width"], "height": shown["height"] }));
    }

    /// Where what is downloaded lands.
    pub fn downloads(&self) -> std::path::PathBuf {
        self._profile.path().join("downloads")
    }

    /// Clicks on what leads to a file, and waits until it is here; gives what is in it, and takes it away.
    pub fn download(&self, selector: &str, name: &str) -> Vec<u8> {
        self.tap(selector);
        let file = self.downloads().join(name);
        until("the file is downloaded", || file.exists());
        let content = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        content
    }

    fn is_there(&self, element: &str) -> bool {
        let request = ureq::http::Request::builder().uri(format!("{}/element/{element}/name", self.session));
        self.agent.run(request.body(String::new()).unwrap()).unwrap().status().is_success()
    }

    /// Types into a field.
    pub fn fill(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        self.ask("POST", &format!("/element/{element}/value"), &json!({ "text": text }));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Closes the browser; its driver would leave it behind.
        let request = ureq::http::Request::builder().method("DELETE").uri(self.session.as_str());
        if let Ok(request) = request.body(String::new()) {
            drop(self.agent.run(request));
        }
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}
