//! What an entry says, in the words of somebody who reads it on paper, in Chinese or English.

use serde_json::Value;

use crate::domain::time::Timestamp;
use crate::domain::words;
use crate::ledger::leaf::{EntryKind, Read};
use crate::ledger::sheet::what;

macro_rules! voices {
    ($($name:ident: $zh:literal, $en:literal;)+) => {
        /// One language of the papers.
        #[derive(Debug)]
        pub struct Voice { $(pub $name: &'static str),+ }

        /// Papers in Chinese.
        pub static ZH: Voice = Voice { $($name: $zh),+ };
        /// Papers in English.
        pub static EN: Voice = Voice { $($name: $en),+ };
    };
}

voices! {
    tag: "zh-CN", "en";
    comma: "、", ", ";
    stop: "，", "; ";
    colon: "：", ": ";
    number: "本梯第", "its no.";
    title_unit: "维保账本记录：电梯", "From the maintenance ledger: unit";
    title_visits: "维保账本记录：按条件选取的维保", "From the maintenance ledger: visits that were asked for";
    shows_unit: "以下是该电梯在此时段记入账本的全部记录。本梯证明包（ledger.zip）可证明每条都在账本中，且无一遗漏。", "Everything that was entered of this unit in this time. The unit's package (ledger.zip) proves that each entry is in the log and that none is missing.";
    shows_visits: "证明包表明：以下每条记录都在账本中且未被更改。不表明没有遗漏；要证明没有遗漏，请取各台电梯的证明包。", "The package proves that each record below is in the log, unchanged. It does not prove that none was left out: for that, take the packages of the units.";
    asked: "查询条件", "Asked for";
    everything: "全部维保", "every visit";
    period: "记入账本的时段", "Entered in the ledger";
    since_begin: "自账本开始", "since the log began";
    as_of: "截至", "As of";
    times_at: "时间均为", "Times are";
    count: "条数", "Entries";
    recorded: "记入时间", "Entered";
    unit: "电梯", "Unit";
    entry: "种类", "Entry";
    details: "内容", "What it says";
    index: "账本序号", "In the log";
    worker: "作业人员", "Worker";
    workers: "作业人员", "Workers";
    maintainer: "维保单位", "Maintainer";
    owner: "使用单位", "Owner";
    kind: "维保种类", "Kind";
    began_from: "开始不早于", "Begun at or after";
    began_before: "开始早于", "Begun before";
    records: "记录", "Records";
    corrected_only: "仅后来被更正的", "only those corrected later";
    standing_only: "现行有效的，附其更正前的记录", "those that stand, with what they correct";
    no_end: "未填结束时间", "no end given";
    corrects: "更正记录", "Corrects record";
    failed: "不合格项", "Failed";
    problems: "问题代码", "Problem codes";
    next_due: "下次维保", "Next due";
    use_stopped: "已停用", "use stopped";
    erased: "已删除个人信息", "Person erased";
    by_hash: "内容过长，账本只存其 SHA-256", "Too long for the log, which holds its SHA-256";
    nothing: "此时段没有记录。", "Nothing was entered in this time.";
    checkpoint: "检查点：账本共有记录", "Checkpoint: entries in the log";
    keep: "请保存此页：持有此检查点的人，日后可证明此前的记录未被更改。", "Keep this page: whoever has this checkpoint can prove later that nothing before it was changed.";
    check: "核验：liftwatch verify 证明包.zip --key 公钥。公钥应从另一方取得。", "To check: liftwatch verify PACKAGE.zip --key PUBLIC_KEY. Take the key from somebody else than who gave you this.";
}

impl Voice {
    /// A code of a closed list in this language; a code that has no word is shown as it is.
    #[must_use]
    pub fn word(&self, list: &str, code: &str) -> String {
        let found = words::find(list, code);
        found.map_or_else(|| code.to_owned(), |(zh, en)| self.of(zh, en).to_owned())
    }

    fn of<'a>(&self, zh: &'a str, en: &'a str) -> &'a str {
        if self.tag == ZH.tag { zh } else { en }
    }
}

/// What an entry says, in a few lines; `local` writes a time as the paper has it.
#[must_use]
pub fn details(read: &Read, t: &Voice, local: &dyn Fn(Timestamp) -> String) -> Vec<String> {
    let Some(body) = &read.body else { return vec![format!("{}: {}", t.by_hash, read.body_sha256)] };
    let lines = match read.kind {
        EntryKind::Visit => visit(body, t, local),
        EntryKind::Confirmation => vec![text(body, "/confirmation/note")],
        EntryKind::Erasure => vec![format!("{} {}", t.erased, t.word("role", &text(body, "/role")))],
        EntryKind::Hazard => {
            let stopped = body["use_stopped"] == true;
            vec![text(body, "/report/basis"), if stopped { t.use_stopped } else { "" }.to_owned()]
        }
        EntryKind::AlertTransition => {
            let parts = [("rule", "/rule"), ("transition", "/transition"), ("severity", "/severity")];
            let parts = parts.map(|(list, place)| t.word(list, &text(body, place)));
            vec![parts.join(t.comma), text(body, t.of("/summary/zh", "/summary/en"))]
        }
        EntryKind::Answer => vec![t.word("answer", &text(body, "/answer")), text(body, "/note")],
        EntryKind::Unit => {
            let place = [text(body, "/site"), text(body, "/address")];
            vec![place.join(" "), firm(t.maintainer, body, "/maintainer"), firm(t.owner, body, "/owner")]
        }
        _ => vec![what(read)],
    };
    lines.into_iter().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

fn visit(body: &Value, t: &Voice, local: &dyn Fn(Timestamp) -> String) -> Vec<String> {
    let time = |place: &str| Timestamp::parse(&text(body, place)).ok().map(local);
    let begun = time("/started_at").unwrap_or_default();
    // The day is not said twice.
    let ended = time("/ended_at").map_or(t.no_end.to_owned(), |ended| match (ended.split_once(' '), begun.get(..10)) {
        (Some((day, hour)), Some(same)) if day == same => hour.to_owned(),
        _ => ended,
    });
    let firm = firm(t.maintainer, body, "/unit/maintainer");
    let corrects = text(body, "/supersedes");
    let corrects = match corrects.is_empty() {
        true => String::new(),
        false => format!("{} {corrects}{}{}", t.corrects, t.stop, text(body, "/record/reason")),
    };
    let mut found = Vec::new();
    let mut list = |name: &str, values: Vec<String>| {
        if !values.is_empty() {
            found.push(format!("{name} {}", values.join(t.comma)));
        }
    };
    let problems = texts(body, "/record/problem_codes");
    list(t.problems, problems.iter().map(|code| t.word("problem_code", code)).collect());
    let items = body.pointer("/record/items").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let failed = items.iter().filter(|item| item["result"] == "fail");
    list(t.failed, failed.map(|item| text(item, "/id")).collect());
    let due = text(body, "/record/next_due");
    list(t.next_due, if due.is_empty() { Vec::new() } else { vec![due] });
    let workers = format!("{} {}", t.workers, texts(body, "/record/workers").join(t.comma));
    vec![
        format!("{}{}{begun} – {ended}", t.word("visit", &text(body, "/kind")), t.stop),
        [workers, firm, text(body, "/unit/site")]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(t.stop),
        corrects,
        found.join(t.stop),
    ]
}

fn firm(name: &str, body: &Value, place: &str) -> String {
    let firm = text(body, place);
    if firm.is_empty() { firm } else { format!("{name} {firm}") }
}

fn text(body: &Value, place: &str) -> String {
    body.pointer(place).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn texts(body: &Value, place: &str) -> Vec<String> {
    let list = body.pointer(place).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
