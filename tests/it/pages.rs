//! The pages: every link leads somewhere, nothing hostile gets through as markup, both languages, refusals as pages.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::city::{City, HOSTILE, city};

/// Status, headers and body of a page.
type Seen = (u16, ureq::http::HeaderMap, String);

async fn get(city: &City, path: &str, headers: &[(&str, &str)]) -> Seen {
    let mut request = ureq::http::Request::builder().uri(format!("{}{path}", city.address));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(()).unwrap();
    tokio::task::spawn_blocking(move || {
        let settings = ureq::Agent::config_builder().http_status_as_error(false);
        let agent: ureq::Agent = settings.timeout_global(Some(Duration::from_secs(20))).build().into();
        let mut response = agent.run(request).unwrap();
        let body = response.body_mut().read_to_string().unwrap();
        (response.status().as_u16(), response.headers().clone(), body)
    })
    .await
    .unwrap()
}

/// The addresses that a page leads to within the site.
fn links(body: &str) -> Vec<String> {
    let hrefs = body.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let plain = hrefs.map(|href| href.replace("&#38;", "&").replace("&amp;", "&"));
    let page = plain.map(|href| href.split('#').next().unwrap_or_default().to_owned());
    page.filter(|href| href.starts_with('/')).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_link_of_every_page_leads_somewhere_and_nothing_hostile_is_markup() {
    let city = city(0).await;
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut waiting: VecDeque<String> =
        ["/", "/alerts?state=withdrawn", "/units?q=script", "/units?limit=7"].map(str::to_owned).into();
    let mut escaped = 0;
    while let Some(path) = waiting.pop_front() {
        if seen.contains_key(&path) {
            continue;
        }
        let (status, headers, body) = get(&city, &path, &[]).await;
        assert_eq!(status, 200, "{path}: {body}");
        seen.insert(path.clone(), body.len());
        if !headers["content-type"].to_str().unwrap().starts_with("text/html") {
            continue;
        }
        // The form's own script is the one that there is.
        let body =
            body.replace(concat!("<script src=\"/visit.js?v=", env!("CARGO_PKG_VERSION"), "\" defer></script>"), "");
        assert!(!body.contains("<script") && !body.contains(" style=") && !body.contains("onload"), "{path}");
        assert!(body.contains("<html lang=\"zh-CN\">") || body.contains("<html lang=\"en\">"), "{path}");
        escaped += usize::from(body.contains("&#60;script&#62;"));
        waiting.extend(links(&body));
    }
    assert!(seen.len() > 80, "{} pages", seen.len());
    assert!(escaped > 4, "{HOSTILE} should be shown on several pages, and is on {escaped}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_language_is_asked_for_kept_and_negotiated() {
    let city = city(0).await;
    let (_, headers, body) = get(&city, "/", &[]).await;
    assert!(body.contains("全市") && body.contains("困人"), "Chinese unless asked otherwise");
    assert_eq!(headers["content-language"], "zh-CN");
    let (_, headers, body) = get(&city, "/alerts?lang=en&state=firing", &[("cookie", "lang=zh")]).await;
    assert!(headers["set-cookie"].to_str().unwrap().starts_with("lang=en;"));
    assert!(body.contains("People trapped") && body.contains("href=\"/alerts?state=firing&#38;lang=zh\""), "{body}");
    let (_, headers, body) = get(&city, "/", &[("cookie", "a=1; lang=en")]).await;
    assert!(body.contains("People trapped") && headers.get("set-cookie").is_none());
    let (_, _, body) = get(&city, "/", &[("accept-language", "en-GB,en;q=0.9")]).await;
    assert!(body.contains("People trapped"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_a_page_where_a_page_was_asked_for() {
    let city = city(0).await;
    for (path, status) in [("/alerts/none", 404), ("/alerts?state=boom", 400), ("/nowhere", 404), ("/units/%ff", 400)] {
        let (got, headers, body) = get(&city, path, &[]).await;
        assert_eq!(got, status, "{path}");
        assert!(headers["content-type"].to_str().unwrap().starts_with("text/html"), "{path}");
        assert!(
            body.contains("无法显示此页") && body.contains(if status == 404 { "没有找到" } else { "请求有误" }),
            "{path}"
        );
    }
    let (_, _, body) = get(&city, "/alerts/%3Cscript%3E", &[]).await;
    assert!(body.contains("&#60;script&#62;") && !body.contains("<script"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_evidence_page_names_what_proves_the_alert_in_both_times() {
    let city = city(0).await;
    let (_, _, body) = get(&city, "/alerts/a-001?lang=en", &[]).await;
    for part in [
        "Repeated fault",
        "3 faults in 30 days",
        "福建省电梯维保信用评分",
        "Fault raised: Door closing",
        "2026-11-24 14:00:00",
        "<span>2026-11-24</span> <span>06:00:00.000</span>",
        "ends then if nothing new happens",
        "Began to fire",
    ] {
        assert!(body.contains(part), "{part}");
    }
    let (_, _, body) = get(&city, "/alerts/a-008?lang=en", &[]).await;
    assert!(body.contains("ends only when a person confirms"));
    let (_, _, body) = get(&city, "/units/jj-0004?lang=en", &[]).await;
    for part in ["Other fault (E7)", "Entrapment", "Alarm button", "17–19", "In use (years)"] {
        assert!(body.contains(part), "{part}");
    }
}
