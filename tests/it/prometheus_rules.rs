//! Alerts on liftwatch itself: Debian's promtool and amtool take the shipped files, every alert has its page and its
//! cases, and every name in an expression is a name that the daemon exports.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names of a folder's files without their ending, those with this ending alone.
fn names(folder: &Path, ending: &str) -> BTreeSet<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    files.filter_map(|name| Some(name.strip_suffix(ending)?.to_owned())).collect()
}

/// Runs a tool; `Err` holds what it said when it was not content.
fn tool(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).current_dir(root()).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; tests/run installs it"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(said) } else { Err(said) }
}

fn case_files() -> Vec<String> {
    let names = names(&root().join("dashboards/rules/tests"), ".yml");
    names.iter().map(|name| format!("dashboards/rules/tests/{name}.yml")).collect()
}

/// Each alert of a file of rules, with the text of its rules.
fn alerts(rules: &str) -> BTreeMap<String, Vec<String>> {
    let mut alerts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for rule in rules.split("\n      - alert: ").skip(1) {
        let (name, text) = rule.split_once('\n').unwrap();
        alerts.entry(name.to_owned()).or_default().push(text.to_owned());
    }
    alerts
}

/// What an alert lacks, or a page or a case has no alert.
fn gaps(rules: &str, pages: &BTreeMap<String, String>, cases: &BTreeMap<String, String>) -> Vec<String> {
    let alerts = alerts(rules);
    let mut gaps = Vec::new();
    for (name, texts) in &alerts {
        for text in texts {
            gaps.extend(unsaid(name, text));
        }
        match pages.get(name) {
            None => gaps.push(format!("{name} has no page in docs/runbooks")),
            Some(page) => gaps.extend(unwritten(name, page)),
        }
        match cases.get(name) {
            None => gaps.push(format!("{name} has no cases in dashboards/rules/tests")),
            Some(text) => gaps.extend(untried(name, text)),
        }
    }
    for (what, names) in [("page", pages.keys()), ("file of cases", cases.keys())] {
        gaps.extend(
            names.filter(|name| !alerts.contains_key(*name)).map(|name| format!("the {what} {name} is of no alert")),
        );
    }
    gaps
}

fn unsaid(name: &str, rule: &str) -> Vec<String> {
    let mut unsaid = Vec::new();
    if !name.starts_with("Liftwatch") {
        unsaid.push(format!("{name} is not called LiftwatchX"));
    }
    if !["critical", "warning", "info"].iter().any(|word| rule.contains(&format!("\n          severity: {word}\n"))) {
        unsaid.push(format!("{name} has no severity"));
    }
    for key in ["summary", "summary_zh", "description", "description_zh"] {
        if !rule.contains(&format!("\n          {key}: '")) {
            unsaid.push(format!("{name} has no {key}"));
        }
    }
    for (key, tail) in [("runbook_url", "\n"), ("runbook_url_zh", "#中文\n")] {
        let page = format!("\n          {key}: https://lifts.example/runbooks/{name}.md{tail}");
        if !(format!("{rule}\n")).contains(&page) {
            unsaid.push(format!("{name}: {key} does not lead to its page"));
        }
    }
    unsaid
}

fn unwritten(name: &str, page: &str) -> Vec<String> {
    let parts = [
        "\n## Meaning\n",
        "\n## Impact\n",
        "\n## Diagnosis\n",
        "\n## Mitigation\n",
        "\n## 中文\n",
        "\n### 含义\n",
        "\n### 影响\n",
        "\n### 诊断\n",
        "\n### 处理\n",
    ];
    let mut unwritten: Vec<String> = parts
        .iter()
        .filter(|part| !page.contains(*part))
        .map(|part| format!("{name}.md has no {}", part.trim()))
        .collect();
    if !page.starts_with(&format!("# {name}\n")) {
        unwritten.push(format!("{name}.md has another title"));
    }
    unwritten
}

fn untried(name: &str, cases: &str) -> Vec<String> {
    let asked = format!("alertname=\"{name}\"");
    let mut untried = Vec::new();
    for kind in ["fires", "does not fire", "resolves"] {
        let case = cases.split("\n  - name: ").skip(1).find(|case| case.starts_with(kind));
        let Some(case) = case else {
            untried.push(format!("{name} has no case where it {kind}"));
            continue;
        };
        let (fires, quiet) = (case.contains("exp_samples:\n"), case.contains("exp_samples: []"));
        let holds = match kind {
            "fires" => fires,
            "does not fire" => quiet && !fires,
            _ => fires && case.trim_end().ends_with("exp_samples: []"),
        };
        if !holds || !case.contains(&asked) {
            untried.push(format!("{name}: the case where it {kind} does not look for that"));
        }
    }
    untried
}

fn texts(folder: &str, ending: &str) -> BTreeMap<String, String> {
    let names = names(&root().join(folder), ending);
    names.into_iter().map(|name| (name.clone(), read(&format!("{folder}/{name}{ending}")))).collect()
}

#[test]
fn every_alert_has_its_page_and_its_cases_and_the_other_way_round() {
    let rules = read("dashboards/rules/alerts.yml");
    let (pages, cases) = (texts("docs/runbooks", ".md"), texts("dashboards/rules/tests", ".yml"));
    assert_eq!(gaps(&rules, &pages, &cases), Vec::<String>::new());
    assert!(alerts(&rules).len() >= 17);

    let without = |texts: &BTreeMap<String, String>, name: &str| {
        let mut texts = texts.clone();
        texts.remove(name).unwrap();
        texts
    };
    assert_eq!(
        gaps(&rules, &without(&pages, "LiftwatchDown"), &without(&cases, "LiftwatchDelay")),
        ["LiftwatchDelay has no cases in dashboards/rules/tests", "LiftwatchDown has no page in docs/runbooks"]
    );
    let fewer = rules.replace("- alert: LiftwatchGaps\n", "- alert: LiftwatchHoles\n");
    let found = gaps(&fewer, &pages, &cases);
    for said in ["LiftwatchHoles has no page in docs/runbooks", "the page LiftwatchGaps is of no alert"] {
        assert!(found.iter().any(|gap| gap == said), "{found:?}");
    }
    let mut lazy = cases;
    let text = lazy["LiftwatchClockOff"].replace("name: resolves", "name: stays");
    lazy.insert("LiftwatchClockOff".into(), text);
    assert_eq!(gaps(&rules, &pages, &lazy), ["LiftwatchClockOff has no case where it resolves"]);
}

#[test]
fn promtool_takes_the_rules_and_every_case_holds() {
    tool(
        "promtool",
        &[
            "check",
            "rules",
            "--lint=all",
            "--lint-fatal",
            "dashboards/rules/alerts.yml",
            "dashboards/rules/recording.yml",
        ],
    )
    .unwrap();
    let files = case_files();
    let mut arguments = vec!["test", "rules"];
    arguments.extend(files.iter().map(String::as_str));
    tool("promtool", &arguments).unwrap();
}

/// The shipped rules and cases with one text replaced, in a folder of their own; what promtool says of them.
fn broken(rules: &str, from: &str, to: &str, case: &str) -> Result<String, String> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("tests")).unwrap();
    for file in ["alerts.yml", "recording.yml"] {
        let mut text = read(&format!("dashboards/rules/{file}"));
        if file == rules {
            assert!(text.contains(from), "{from} is not in {file}");
            text = text.replacen(from, to, 1);
        }
        std::fs::write(dir.path().join(file), text).unwrap();
    }
    let cases = dir.path().join(format!("tests/{case}.yml"));
    std::fs::write(&cases, read(&format!("dashboards/rules/tests/{case}.yml"))).unwrap();
    tool("promtool", &["test", "rules", cases.to_str().unwrap()])
}

#[test]
fn twin_rules_that_are_broken_are_caught() {
    broken("alerts.yml", "liftwatch_ready == 0", "liftwatch_ready == 0", "LiftwatchNotReady").unwrap();
    for (rules, from, to, case) in [
        ("alerts.yml", "liftwatch_ready == 0", "liftwatch_ready == == 0", "LiftwatchNotReady"),
        ("alerts.yml", "liftwatch_ready == 0", "liftwatch_readyy == 0", "LiftwatchNotReady"),
        (
            "alerts.yml",
            "on (instance, region) liftwatch_mqtt_connected == 1",
            "on (instance, region) liftwatch_mqtt_connected >= 0",
            "LiftwatchFeedSilent",
        ),
        ("alerts.yml", "> 256 * 1024 ^ 2", "> 2 * 1024 ^ 2", "LiftwatchWalLarge"),
        ("recording.yml", "histogram_quantile(0.99", "histogram_quantile(0.9", "LiftwatchCommitSlow"),
        (
            "alerts.yml",
            "        for: 5m\n        labels:\n          severity: critical\n        annotations:\n          summary: 'liftwatch runs",
            "        labels:\n          severity: critical\n        annotations:\n          summary: 'liftwatch runs",
            "LiftwatchNotReady",
        ),
    ] {
        assert!(broken(rules, from, to, case).is_err(), "nobody notices {from:?} as {to:?}");
    }
}

/// Metrics that the golden scrape's city has nothing for: the ledger's, and answers to alerts.
const BESIDE: [&str; 3] =
    ["liftwatch_ledger_entries", "liftwatch_ledger_checkpoint_timestamp_seconds", "liftwatch_alerts_answered"];

#[test]
fn rules_and_cases_name_no_metric_that_the_daemon_does_not_export() {
    let scrape = read("tests/it/golden/metrics.txt");
    let mut known: BTreeSet<String> = BESIDE.map(str::to_owned).into();
    for line in scrape.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        known.insert(name.to_owned());
        if kind == "histogram" {
            known.extend(["bucket", "sum", "count"].map(|part| format!("{name}_{part}")));
        }
    }
    let recording = read("dashboards/rules/recording.yml");
    let recorded: BTreeSet<&str> =
        recording.lines().filter_map(|line| line.trim().strip_prefix("- record: ")).collect();
    assert!(recorded.iter().all(|name| name.split(':').count() == 3), "level:metric:operations: {recorded:?}");
    let mut unknown = BTreeSet::new();
    for text in [&recording, &read("dashboards/rules/alerts.yml")]
        .into_iter()
        .chain(texts("dashboards/rules/tests", ".yml").values())
    {
        let words = text.lines().filter(|line| !line.trim_start().starts_with('#') && !line.contains("runbook"));
        let words = words.flat_map(|line| line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')));
        let metrics = words.filter(|word| word.contains("liftwatch_"));
        unknown.extend(metrics.filter(|word| !known.contains(*word) && !recorded.contains(word)).map(str::to_owned));
    }
    assert_eq!(unknown, BTreeSet::new());
}

#[test]
fn prometheus_takes_its_configuration_with_the_rules_where_it_looks_for_them() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("liftwatch")).unwrap();
    for file in ["alerts.yml", "recording.yml"] {
        std::fs::copy(root().join("dashboards/rules").join(file), dir.path().join("liftwatch").join(file)).unwrap();
    }
    let config = read("deploy/prometheus/prometheus.yml");
    assert!(config.contains("/etc/prometheus/liftwatch/*.yml"));
    let path = dir.path().join("prometheus.yml");
    std::fs::write(&path, config.replace("/etc/prometheus", dir.path().to_str().unwrap())).unwrap();
    let said = tool("promtool", &["check", "config", path.to_str().unwrap()]).unwrap();
    assert!(said.contains("2 rule files found"), "{said}");
}

#[test]
fn alertmanager_sends_each_alert_where_the_guide_says() {
    let config = "deploy/prometheus/alertmanager.yml";
    tool("amtool", &["check-config", config]).unwrap();
    let guide = read("docs/WATCHING.md");
    let (_, table) = guide.split_once("| labels | receiver |\n|---|---|\n").unwrap();
    let rows: Vec<(&str, &str)> =
        table.lines().map_while(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | ")).collect();
    assert!(rows.len() >= 9, "{rows:?}");
    let file = format!("--config.file={config}");
    let asked = |labels: &str, receiver: &str| {
        let receiver = format!("--verify.receivers={receiver}");
        let mut arguments = vec!["config", "routes", "test", &file, &receiver];
        arguments.extend(labels.split(' '));
        tool("amtool", &arguments)
    };
    for (labels, receiver) in rows {
        asked(labels, receiver).unwrap();
    }
    assert!(asked("alertname=LiftwatchDown severity=critical", "office").is_err(), "amtool verifies nothing");
}

#[test]
fn the_guide_lists_every_alert_with_its_severity() {
    let guide = read("docs/WATCHING.md");
    for (name, rules) in alerts(&read("dashboards/rules/alerts.yml")) {
        let words = rules.iter().map(|rule| rule.split_once("severity: ").unwrap().1.split('\n').next().unwrap());
        let row = format!("\n| [{name}](runbooks/{name}.md) | {} | ", words.collect::<Vec<_>>().join(", "));
        assert!(guide.contains(&row), "{row}");
    }
}
