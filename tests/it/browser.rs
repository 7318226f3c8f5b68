//! The pages in a real browser: on a phone's width nothing is cut off or has to be scrolled sideways, in both languages.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::city::{City, NOW, city, key};

/// The narrowest phone that we promise to fit, in CSS pixels.
const PHONE: u32 = 360;

/// Measures the laid-out page; the pages themselves have no script, so the test puts this into its own copy.
const MEASURE: &str = "<script>const root = document.documentElement; root.dataset.wide = root.scrollWidth; \
     root.dataset.seen = root.clientWidth; root.dataset.small = Math.min(...[...document.querySelectorAll('body *')]\
     .filter(e => e.textContent.trim() && !e.children.length).map(e => parseFloat(getComputedStyle(e).fontSize)))</script>";

async fn text(address: String) -> String {
    tokio::task::spawn_blocking(move || ureq::get(&address).call().unwrap().body_mut().read_to_string().unwrap())
        .await
        .unwrap()
}

/// The page as a file of its own: its style sheet inside, and the measurement at its end.
async fn copy(city: &City, path: &str, file: &Path, more_style: &str) {
    let page = text(format!("{}{path}", city.address)).await;
    let style = text(format!("{}/style.css", city.address)).await;
    let (head, rest) = page.split_once("<link rel=\"stylesheet\"").expect("the page has a style sheet");
    let (_, rest) = rest.split_once('>').unwrap();
    let page =
        format!("{head}<style>{style}{more_style}</style>{rest}").replace("</body>", &format!("{MEASURE}</body>"));
    std::fs::write(file, page).unwrap();
}

/// What the browser says of the page: width that it takes, width that is seen, smallest type.
fn measure(file: &Path) -> (f64, f64, f64) {
    let profile = tempfile::tempdir().unwrap();
    let flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
    let quiet =
        ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"];
    let output = Command::new("chromium")
        .args(flags)
        .args(quiet)
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--window-size={PHONE},800"))
        .arg("--dump-dom")
        .arg(format!("file://{}", file.display()))
        .stderr(Stdio::null())
        .output()
        .expect("chromium is in Debian's package chromium, which tests/run installs");
    let page = String::from_utf8(output.stdout).unwrap();
    let number = |name: &str| -> f64 {
        let (_, rest) = page.split_once(&format!("data-{name}=\"")).unwrap_or_else(|| panic!("not measured: {page}"));
        rest.split_once('"').unwrap().0.parse().unwrap()
    };
    (number("wide"), number("seen"), number("small"))
}

/// An answer to every alert, a silence, and a message about all that fires.
async fn told(city: &City) {
    let rows = format!(
        "insert into answer (alert, kind, at, by, note, expires_at, delivery, transition) \
         select id, 'acknowledged', {n}, '示例维保1 值班室', 'on the way with two fitters and a long note', {n} + 3600000, null, 0 from alert; \
         insert into silence values ('s-1', '[[\"site\",\"=~\",\"云锦小区|松涛小区|观澜小区\"],[\"rule\",\"=\",\"over_age\"]]', \
         '示例物业', '停电检修 planned works', {n}, {n} + 86400000, {n}, null); \
         insert into notification values ('n-1', 'maintainer:示例维保1', 'alerts', 'g', {n}, '{{}}'); \
         insert into notification_alert select 'n-1', id from alert where state = 'firing'; \
         insert into notification_alert values ('n-1', 'x-3'); \
         insert into delivery (id, notification, receiver, sink, state, created_at, due_at) \
         values ('d-1', 'n-1', 'maintainer:示例维保1', 'webhook-0', 'delivered', {n}, {n})",
        n = NOW.0
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(rows)).execute(&city.writer).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_fit_a_phone_and_can_be_read_in_both_languages() {
    let city = city(0).await;
    let folder = tempfile::tempdir().unwrap();
    let alert = text(format!("{}/api/v1/alerts?state=firing&limit=1", city.address)).await;
    let alert: serde_json::Value = serde_json::from_str(&alert).unwrap();
    let alert = format!("/alerts/{}", alert["items"][0]["id"].as_str().unwrap());
    told(&city).await;
    let link = key().path("d-1");
    let paths = [
        "/",
        "/alerts",
        &alert,
        "/units",
        "/units/jj-0001",
        "/units/jj-0001/visit/new?kind=OY&",
        "/visits",
        "/visits/v-0001",
        "/overdue",
        "/quarantine",
        "/silences",
        "/silences/s-1",
        "/areas",
        "/areas/x-3",
        link.as_str(),
    ];
    for path in paths {
        for language in ["zh", "en"] {
            let file = folder.path().join("page.html");
            copy(&city, &format!("{path}{}lang={language}", if path.contains('?') { "" } else { "?" }), &file, "")
                .await;
            let (wide, seen, small) = measure(&file);
            assert!(seen <= f64::from(PHONE) + 150.0, "the window is {seen} wide, no phone");
            assert!(wide <= seen, "{path} in {language} is {wide} px wide on a screen of {seen}");
            assert!(small >= 12.0, "{path} in {language} has type of {small} px");
        }
    }
    // The measurement sees what it is for.
    let file = folder.path().join("wide.html");
    copy(&city, "/units?lang=en", &file, "main { width: 900px } td { font-size: 8px }").await;
    let (wide, seen, small) = measure(&file);
    assert!(wide > seen && small < 12.0, "a page that is too wide and too small passes: {wide} {seen} {small}");
    drop(city.stop);
    tokio::time::timeout(Duration::from_secs(10), city.serving).await.unwrap().unwrap().unwrap();
}
