//! What people read: the parts of a message in both languages, hostile names that stay text, and an operator's own templates.

use jiff::tz::TimeZone;
use liftwatch::domain::notice::NotificationKind;
use liftwatch::domain::time::{MINUTE, Timestamp};
use liftwatch::notify::expected::{Case, ON_SITE_TOWN, expected};
use liftwatch::notify::language::Language;
use liftwatch::notify::message::{Item, Message};
use liftwatch::notify::sink::Text;
use liftwatch::notify::text::Templates;
use liftwatch::notify::wording::Look;

fn start() -> Timestamp {
    Timestamp::parse("2026-11-24T01:02:03Z").unwrap()
}

fn entrapment(unit: &str) -> Item {
    let starts_at = start();
    let case = Case { rule: "entrapment", severity: "critical", firing: true, starts_at, on_site: ON_SITE_TOWN };
    let expected = expected(case);
    Item {
        alert: "a-1".to_owned(),
        rule: "entrapment".to_owned(),
        severity: "critical".to_owned(),
        change: "fired".to_owned(),
        firing: true,
        starts_at: starts_at.0,
        ends_at: None,
        unit: unit.to_owned(),
        region: "350502".to_owned(),
        site: "丰泽大厦".to_owned(),
        address: "泉秀街 1 号".to_owned(),
        owner: "owner-1".to_owned(),
        maintainer: "闽安电梯".to_owned(),
        summary_zh: "轿厢内报告困人".to_owned(),
        summary_en: "Reported from the car".to_owned(),
        basis: "TSG T5002-2017 第五条（四） / TSG T5002-2017 art. 5(4)".to_owned(),
        expected_zh: expected.zh,
        expected_en: expected.en,
        expected_by: expected.by.map(|at| at.0),
        link: Some("https://lifts.example/alerts/a-1".to_owned()),
    }
}

fn message(kind: NotificationKind, items: Vec<Item>) -> Message {
    Message {
        id: "n-1".to_owned(),
        kind: kind.as_str().to_owned(),
        receiver: "duty".to_owned(),
        group: "{}:{}".to_owned(),
        created_at: start().0 + MINUTE,
        count: items.len(),
        items,
        link: Some("https://lifts.example/alerts?state=firing".to_owned()),
        zh: String::new(),
        en: String::new(),
        checkpoint: String::new(),
    }
}

fn render(templates: &Templates, message: &Message, language: Language) -> Text {
    let zone = TimeZone::fixed(jiff::tz::offset(8));
    templates.render(message, Look { language, zone: &zone, received: Some("https://lifts.example/r/d-1/mac") })
}

#[test]
fn an_english_message_says_what_where_since_when_why_and_what_is_expected_by_when() {
    let text = render(
        &Templates::default(),
        &message(NotificationKind::Alerts, vec![entrapment("T-0001")]),
        Language::English,
    );
    assert_eq!(text.subject, "[Critical] People trapped, T-0001, 丰泽大厦: Began to fire");
    let expected = "\
[Critical] People trapped: Began to fire
  Unit:     T-0001
  Where:    丰泽大厦, 泉秀街 1 号
  Firm:     闽安电梯
  Since:    2026-11-24 09:02:03 +08:00
  Evidence: Reported from the car
  Basis:    TSG T5002-2017 art. 5(4)
  Expected: Answer within 3 minutes and be on site within 30; when the people are out, a person says so (by 2026-11-24 09:32:03 +08:00)
  Page:     https://lifts.example/alerts/a-1

Received? Say so here: https://lifts.example/r/d-1/mac";
    assert_eq!(text.plain, expected);
}

#[test]
fn a_chinese_message_says_the_same() {
    let text = render(
        &Templates::default(),
        &message(NotificationKind::Reminder, vec![entrapment("T-0001")]),
        Language::Chinese,
    );
    assert_eq!(text.subject, "【严重】催办：困人，T-0001，丰泽大厦：开始告警");
    let expected = "\
尚无人答复。

【严重】困人：开始告警
  电梯：T-0001
  位置：丰泽大厦，泉秀街 1 号
  维保单位：闽安电梯
  开始：2026-11-24 09:02:03 +08:00
  证据：轿厢内报告困人
  依据：TSG T5002-2017 第五条（四）
  要求：3 分钟内答复，30 分钟内到达现场；救出后由人员确认解除（2026-11-24 09:32:03 +08:00 前）
  页面：https://lifts.example/alerts/a-1

收到请确认：https://lifts.example/r/d-1/mac";
    assert_eq!(text.plain, expected);
    for part in ["丰泽大厦", "闽安电梯", "轿厢内报告困人", "30 分钟内到达现场", "https://lifts.example/r/d-1/mac"]
    {
        assert!(text.html.contains(&part.replace('/', "&#x2f;")) || text.html.contains(part), "{part} {}", text.html);
    }
    for part in ["[告警页面](https://lifts.example/alerts/a-1)", "[确认收到](https://lifts.example/r/d-1/mac)"]
    {
        assert!(text.markdown.contains(part), "{}", text.markdown);
    }
}

#[test]
fn many_alerts_are_counted_and_the_rest_is_behind_the_link() {
    let items: Vec<Item> = (0..20).map(|number| entrapment(&format!("T-{number:04}"))).collect();
    let all = message(NotificationKind::Alerts, items[..3].to_vec());
    let text = render(&Templates::default(), &all, Language::English);
    assert_eq!(text.subject, "[Critical] 3 alerts, 丰泽大厦, People trapped");
    let more = Message { count: 8000, ..message(NotificationKind::Alerts, items) };
    let text = render(&Templates::default(), &more, Language::English);
    assert_eq!(text.subject, "[Critical] 8000 alerts, several rules", "of those that are not listed nobody can say");
    assert!(
        text.plain.starts_with("8000 alerts. All of them: https://lifts.example/alerts?state=firing\n"),
        "{}",
        text.plain
    );
    assert!(text.plain.contains("\nAnd 7980 more.\n"), "{}", text.plain);
    assert!(text.markdown.contains("\nAnd 7980 more.\n"), "{}", text.markdown);
    let (full, short) = (text.markdown.matches("> Since").count(), text.markdown.matches("\n- [Critical]").count());
    assert_eq!((full, short), (5, 15), "a robot's message names the others in a line each: {}", text.markdown);
}

#[test]
fn every_kind_of_message_has_words_in_both_languages() {
    for kind in NotificationKind::ALL {
        for items in [Vec::new(), vec![entrapment("T-0001")]] {
            let reads = |language| render(&Templates::default(), &message(*kind, items.clone()), language);
            let (zh, en) = (reads(Language::Chinese), reads(Language::English));
            for text in [&zh, &en] {
                assert!(!text.subject.is_empty() && !text.subject.contains('\n'), "{kind}: {:?}", text.subject);
                assert!(text.html.contains("</html>"), "{kind}");
            }
            assert_ne!(zh.plain, en.plain, "{kind}");
        }
    }
    let note = "3 messages were given up".to_owned();
    let note = Message { en: note, count: 3, ..message(NotificationKind::Operator, Vec::new()) };
    let text = render(&Templates::default(), &note, Language::English);
    assert_eq!(text.subject, "liftwatch: 3 messages were given up");
    assert!(
        text.plain.starts_with("3 messages were given up\n\nhttps://lifts.example/alerts?state=firing\n"),
        "{}",
        text.plain
    );
}

/// A rule's window may be known to end tomorrow although the alert fires today.
#[test]
fn an_end_is_told_only_of_what_is_over() {
    for (firing, told) in [(true, false), (false, true)] {
        let item = Item { firing, ends_at: Some(start().0 + MINUTE), ..entrapment("T-0001") };
        let text = render(&Templates::default(), &message(NotificationKind::Alerts, vec![item]), Language::English);
        assert_eq!(text.plain.contains("Until:    2026-11-24 09:03:03 +08:00"), told, "{}", text.plain);
    }
}

/// Names come from a registry and codes from controllers: none of it is ours.
#[test]
fn a_hostile_name_stays_text_everywhere() {
    let hostile = "<script>alert(1)</script>\"'&\r\nBcc: all@example\u{7}[x](https://evil.example)**`#{{ count }}";
    let item = Item {
        unit: hostile.to_owned(),
        site: hostile.to_owned(),
        address: hostile.to_owned(),
        maintainer: hostile.to_owned(),
        summary_en: hostile.to_owned(),
        basis: hostile.to_owned(),
        ..entrapment("T-0001")
    };
    let text = render(&Templates::default(), &message(NotificationKind::Alerts, vec![item]), Language::English);
    assert!(text.subject.contains("alert(1)") && text.subject.contains("{{ count }}"), "{}", text.subject);
    assert!(!text.subject.contains(char::is_control), "{:?}", text.subject);
    assert!(text.plain.lines().all(|line| !line.starts_with("Bcc")), "{}", text.plain);
    for mark in ["<script", "</script", "\"'&"] {
        assert!(!text.html.contains(mark), "{mark} in {}", text.html);
    }
    assert!(text.html.contains("&lt;script&gt;"), "{}", text.html);
    for mark in ["[x](", "<script", "**`", "#{"] {
        assert!(!text.markdown.contains(mark), "{mark} in {}", text.markdown);
    }
    assert!(text.markdown.contains("［x］(https://evil.example)"), "{}", text.markdown);
}

#[test]
fn an_operators_template_stands_for_the_built_in_one_of_its_name() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("subject.en.j2"), "{{ items|length }} in {{ items[0].region if items }}")
        .unwrap();
    std::fs::write(folder.path().join("README.txt"), "not a template").unwrap();
    let templates = Templates::load(Some(folder.path())).unwrap();
    let all = message(NotificationKind::Alerts, vec![entrapment("T-0001")]);
    assert_eq!(render(&templates, &all, Language::English).subject, "1 in 350502");
    let chinese = render(&templates, &all, Language::Chinese);
    assert_eq!(chinese, render(&Templates::default(), &all, Language::Chinese));
}

#[test]
fn a_template_that_fails_on_one_message_does_not_keep_it_back() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plain.en.j2"), "{{ 1 // (count - 7) }}").unwrap();
    let templates = Templates::load(Some(folder.path())).unwrap();
    let fine = message(NotificationKind::Alerts, vec![entrapment("T-0001"); 8]);
    assert_eq!(render(&templates, &fine, Language::English).plain, "1");
    let fails = message(NotificationKind::Alerts, vec![entrapment("T-0001"); 7]);
    assert_eq!(
        render(&templates, &fails, Language::English).plain,
        render(&Templates::default(), &fails, Language::English).plain
    );
}

#[test]
fn a_template_is_refused_with_its_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plain.en.j2"), "a\n{% if count %}\n").unwrap();
    std::fs::write(folder.path().join("html.zh.j2"), "{% for item in items %}\n{{ item.sight }}\n{% endfor %}")
        .unwrap();
    std::fs::write(folder.path().join("sms.zh.j2"), "").unwrap();
    let problems: Vec<String> =
        Templates::load(Some(folder.path())).unwrap_err().iter().map(ToString::to_string).collect();
    let told = |name: &str| problems.iter().find(|problem| problem.contains(name)).unwrap();
    assert!(told("plain.en.j2:").contains("syntax error"), "{problems:?}");
    assert!(told("html.zh.j2:2").contains("undefined"), "{problems:?}");
    assert!(told("sms.zh.j2").contains("no template is called so"), "{problems:?}");
    let absent = Templates::load(Some(&folder.path().join("absent"))).unwrap_err();
    assert!(absent[0].to_string().contains("cannot be read"), "{}", absent[0]);
}
