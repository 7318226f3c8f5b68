//! Every phrase of the pages in Chinese and English, and the words for codes; nothing here is about one request.

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Zh,
    En,
}

macro_rules! phrases {
    ($($name:ident: $zh:literal, $en:literal;)+) => {
        /// The phrases of one language.
        #[derive(Debug)]
        pub struct Phrases { $(pub $name: &'static str),+ }

        static ZH: Phrases = Phrases { $($name: $zh),+ };
        static EN: Phrases = Phrases { $($name: $en),+ };
    };
}

phrases! {
    brand: "电梯监察", "Liftwatch";
    skip: "跳到正文", "Skip to content";
    city: "全市", "City";
    alerts: "告警", "Alerts";
    units: "电梯", "Units";
    quarantine: "隔离区", "Quarantine";
    sign_in: "登录", "Sign in";
    sign_out: "退出", "Sign out";
    token: "访问令牌", "Token";
    token_from: "令牌由运行 liftwatch 的单位发放，以 lw_ 开头。", "Whoever runs liftwatch gives tokens out; they begin with lw_.";
    wrong_token: "令牌错误、已过期或已撤销。", "The token is wrong, expired or revoked.";
    other_language: "English", "中文";
    heard: "在线", "Heard";
    of_units: "共", "of";
    firing: "正在告警", "Firing alerts";
    over_age: "超年限", "Over age";
    silent: "失联", "Silent";
    unmonitored: "未接入监测", "Unmonitored";
    unmonitored_note: "从未发来状态，不判断是否失联", "never sent a state, so silence says nothing";
    quarantined: "隔离的消息", "Refused messages";
    unregistered: "未登记的电梯", "Unregistered units";
    open_gaps: "证据缺口", "Evidence gaps";
    by_rule: "按规则统计", "Firing by rule";
    newest: "最新告警", "Newest alerts";
    all_alerts: "查看全部告警", "All alerts";
    none_firing: "目前没有告警。", "Nothing fires now.";
    regions: "区域与数据连接", "Regions and links";
    region: "区域", "Region";
    link: "数据连接", "Broker link";
    connected: "已连接", "Connected";
    disconnected: "已断开", "Down";
    not_configured: "未配置", "Not configured";
    last_commit: "最近落盘", "Last commit";
    never: "尚无", "none yet";
    storage_fault: "数据无法写入", "Storage takes no writes";
    shown_at: "页面时间", "Page made";
    refreshes: "每 10 秒自动刷新", "refreshes every 10 seconds";
    time_zone: "当地时间", "Local time";
    severity: "级别", "Severity";
    rule: "规则", "Rule";
    unit: "电梯", "Unit";
    site: "位置", "Place";
    since: "开始", "Since";
    until: "结束", "Until";
    until_if_nothing: "若无新事件，将于此时解除", "ends then if nothing new happens";
    by_person_only: "须由人员确认解除", "ends only when a person confirms";
    state: "状态", "State";
    summary: "摘要", "Summary";
    any: "全部", "any";
    filter: "筛选", "Filter";
    clear: "清除", "Clear";
    next_page: "下一页", "Next page";
    nothing_found: "没有符合条件的记录。", "Nothing matches.";
    evidence: "证据", "Evidence";
    evidence_none: "此规则依据登记信息，无事件证据。", "This rule rests on the registry; there are no events to show.";
    evidence_missing: "编号不在库中", "This id is not in the database";
    basis: "依据", "Basis";
    version: "规则版本", "Rule version";
    recorded: "记录时间", "Recorded";
    ledger: "维保账本", "Ledger";
    ledger_note: "每条记录写入后不可更改；任何人都可用公钥和检查点核验，无须相信本系统。", "What is written here is never changed. Anybody can check that with the public key and a checkpoint, without believing us.";
    public_key: "公钥", "Public key";
    checkpoint: "最新检查点", "Newest checkpoint";
    unsigned: "未配置签名密钥：记录照常保存，但尚未签名（[ledger] key_file）。", "No signing key is configured: entries are kept and nothing is signed ([ledger] key_file).";
    entries: "条记录", "entries";
    entry: "记录种类", "Entry";
    unit_number: "本梯序号", "Number of the unit";
    report: "维保账本打印件", "Report from the ledger,";
    pruned: "内容已到期清理，哈希仍在账本中", "pruned by age; its hash stays in the ledger";
    package: "下载本梯证明包", "Download this unit's package";
    package_note: "可用 liftwatch verify 离线核验，证明无一遗漏", "liftwatch verify checks it offline, and that no entry is missing";
    late: "补录：记录时已结束，未通知任何人", "Recorded late: it was over before it was recorded, and nobody was told";
    withdrawn_note: "已撤回：迟到的事实表明条件并未成立", "Withdrawn: a late fact showed that the condition had not held";
    superseded_by: "由此告警取代", "Replaced by";
    transitions: "变更经过", "What happened to it";
    timeline: "全过程", "The whole story";
    told_message: "已通知", "Told";
    told_try: "发送", "Sent";
    told_received: "已确认收到", "Received";
    told_escalation: "逾期上报", "Escalated to";
    areas: "区域事件", "Area events";
    area_kind: "事件", "Event";
    area_held: "代为通知的告警", "Alerts it stands for";
    area_held_note: "这些告警在事件期间不单独通知；事件结束两分钟后仍未解除的才通知。", "These are not told while it lasts; what still fires two minutes after its end is told then.";
    area_units: "涉及电梯", "Units";
    area_list: "此处的电梯", "The units at this place";
    whole_region: "全区", "the whole region";
    told_inhibited: "已由区域事件代为通知", "Not told, covered by";
    what: "事项", "What";
    when: "时间", "When";
    details: "详情", "Details";
    id: "编号", "Id";
    received: "收到时间", "Received";
    clock_suspect: "对方时钟超前，按收到时间计", "its clock runs ahead; counted by time of receipt";
    landing: "楼层", "landing";
    vendor_code: "厂家代码", "vendor code";
    moving: "运行中", "moving";
    stopped: "停止", "stopped";
    occupied: "轿内有人", "occupied";
    empty_car: "轿内无人", "empty";
    visit: "维保", "Visit";
    gap: "缺口", "Gap";
    missing_numbers: "缺少序号", "Missing";
    search: "编号、小区、地址、单位", "Id, site, address, firm";
    search_button: "查找", "Search";
    heard_at: "最近在线", "Last heard";
    age: "使用年限", "In use";
    years: "年", "years";
    registered: "登记信息", "Registry";
    registration_code: "注册代码", "Registration code";
    address: "地址", "Address";
    kind: "类型", "Kind";
    maker: "制造单位", "Maker";
    model: "型号", "Model";
    in_service_since: "启用日期", "In service since";
    owner: "使用单位", "Owner";
    maintainer: "维保单位", "Maintainer";
    publisher: "数据来源", "Publisher";
    stops: "层站", "Stops";
    last_inspection: "上次检验", "Last inspection";
    interval: "维保周期", "Visit interval";
    days: "天", "days";
    live: "实时状态", "Live state";
    live_none: "从未发来状态。", "It has never sent a state.";
    live_age: "最多延迟 5 秒", "up to 5 s old";
    counts: "事件次数", "Events counted";
    days_30: "近 30 天", "30 days";
    days_90: "近 90 天", "90 days";
    open_alerts: "未解除的告警", "Open alerts";
    past_alerts: "已解除的告警", "Resolved alerts";
    events: "事件", "Events";
    visits: "维保记录", "Visits";
    visit_list: "维保", "Visits";
    overdue: "超期未维保", "Overdue maintenance";
    overdue_since: "超期", "Overdue";
    overdue_firms: "按维保单位", "By maintainer";
    overdue_units: "超期电梯", "Overdue units";
    overdue_grave: "其中警告级", "Of these, warnings";
    overdue_longest: "最早应维保", "The oldest was due";
    overdue_none: "没有超期未维保的电梯。", "No unit's maintenance is overdue.";
    last_visit: "上次维保", "Last visit";
    due: "应维保", "Due";
    worker: "作业人员（工号）", "Worker (id)";
    first_day: "从（日期）", "From (day)";
    last_day: "到（日期，含当日）", "To (day, included)";
    shown: "显示", "Show";
    standing_only: "现行有效的", "what stands";
    every_record: "全部记录", "every record";
    corrected_only: "仅后来被更正的", "only those corrected later";
    minutes: "分钟", "min";
    confirmed: "使用单位确认", "Confirmed";
    package_visits: "下载这些记录的证明包", "Download these records with proofs";
    package_visits_note: "证明每条都在账本中且未被更改，不证明没有遗漏；最多 20000 条。", "It proves that each is in the log, unchanged, and not that none was left out; at most 20,000 entries.";
    gaps: "证据缺口", "Evidence gaps";
    none: "无", "none";
    yes: "是", "yes";
    no: "否", "no";
    unknown: "不明", "unknown";
    open: "未补齐", "open";
    reason: "原因", "Reason";
    topic: "主题", "Topic";
    size: "字节", "Bytes";
    payload: "内容（前 4 KiB）", "Payload (first 4 KiB)";
    payload_hex: "不是 UTF-8 文本，按十六进制显示", "Not UTF-8 text; shown in hex";
    export: "导出全部（JSON Lines）", "Export all (JSON Lines)";
    quarantine_note: "被拒收的消息都在这里，不会丢失。", "Every refused message is here; nothing is dropped.";
    messages: "消息数", "Messages";
    problem: "无法显示此页", "This page cannot be shown";
    back_home: "回到全市", "Back to the city";
    as_json: "JSON", "JSON";
    answers: "人员答复", "What people answered";
    answer: "答复", "Answer";
    by: "署名", "By";
    note: "说明", "Note";
    your_name: "您的姓名和单位", "Your name and firm";
    note_needed: "说明（误报和备注必填）", "Note (needed for a false alarm or a note)";
    lasts: "有效期", "Lasts";
    until_over: "直到告警解除", "until it is over";
    acknowledge: "我来处理", "I have it in hand";
    on_site: "已到现场", "On site";
    false_alarm: "误报", "False alarm";
    add_note: "添加备注", "Add the note";
    release: "乘客已救出", "The passengers are out";
    silence: "静默", "Silence";
    silences: "静默", "Silences";
    silence_this: "静默此电梯", "Silence this unit";
    silenced_until: "已静默至", "Silenced until";
    silence_note: "静默期间仍会告警并显示，只是不通知任何人。", "What is silenced still fires and is shown; only nobody is told.";
    new_silence: "新建静默", "New silence";
    matchers: "匹配条件", "Matchers";
    matchers_note: "每行一条，须全部满足，例如 site=\"云锦小区\" 或 rule=~\"over_age|silent_unit\"。可用：rule、severity、region、site、maintainer、owner、unit。", "One a line, all must be met, such as site=\"North Gate\" or rule=~\"over_age|silent_unit\". On rule, severity, region, site, maintainer, owner, unit.";
    why: "理由", "Why";
    silence_begin: "开始静默", "Begin it";
    silence_end: "立即结束", "End it now";
    ended_by: "提前结束人", "Ended early by";
    created: "创建时间", "Created";
    meets_units: "涉及的电梯", "Units it can concern";
    meets_alerts: "目前被静默的告警", "Alerts that meet it now";
    meets_no_unit: "没有任何登记的电梯符合条件，此静默不起作用。是否写错？", "It meets no unit of the registry, so it silences nothing. Is a name misspelt?";
    meets_no_alert: "目前没有告警符合条件。", "No alert that fires now meets it.";
    began: "开始", "Began";
    ended: "结束", "Ended";
    record_visit: "登记维保", "Record a visit";
    checklist: "维保项目", "Checklist";
    result: "结果", "Result";
    item_unknown: "清单中无此项", "not in the list";
    item_ill_fitting: "答复形式不符", "answered in another way";
    item_failed: "须整改", "to be put right";
    item_unanswered: "未填写", "not answered";
    workers: "作业人员", "Workers";
    worker_first: "作业人员一（工号）", "First worker (id)";
    worker_second: "作业人员二（工号）", "Second worker (id)";
    worker_note: "填写工号，不要填写姓名。", "Ids of the firm, not names.";
    problem_codes: "问题代码", "Problem codes";
    problem_codes_note: "可多选", "As many as apply";
    next_due: "下次维保", "Next visit due";
    photos: "照片", "Photos";
    photos_note: "照片不上传，只记录其 SHA-256；原件请自行保存。", "Photos are not sent; their SHA-256 is recorded. Keep the originals.";
    people: "相关人员", "People";
    people_note: "姓名和电话单独保存，可依法删除。", "Names and phones are kept apart, and can be erased.";
    phone: "电话", "Phone";
    erased: "已删除", "erased";
    withheld: "不显示", "not shown";
    record: "提交记录", "Record it";
    record_note: "记录提交后不可修改，只能以新的记录更正。", "A record cannot be changed, only corrected by another one.";
    corrects: "更正记录", "Corrects the record";
    correct_this: "更正此记录", "Correct this record";
    correction_reason: "更正理由", "Why it is corrected";
    corrections: "记录与更正", "Records and corrections";
    visit_replaced: "已被更正", "Corrected";
    visit_newer: "查看更正后的记录", "See the correction";
    visit_stands: "有效", "Stands";
    confirmation: "使用单位确认", "Owner's confirmation";
    confirmation_note: "确认后不可撤回。", "It cannot be taken back.";
    confirm: "确认维保已完成", "Confirm the visit";
    whole_record: "完整记录", "The whole record";
    qr: "二维码", "QR code";
    received_lead: "此消息已发送给", "This message was sent to";
    received_button: "已收到", "Received";
    received_note: "按下按钮即记录贵单位已收到此消息，并由贵单位处理以下告警。", "The button records that your firm has this message and takes the alerts below in hand.";
    received_done: "已记录收到", "Recorded as received";
    received_count: "消息中的告警", "Alerts in the message";
    history_newest: "最新 50 条", "newest 50";
}

impl Language {
    /// The phrases of this language.
    #[must_use]
    pub fn phrases(self) -> &'static Phrases {
        match self {
            Self::Zh => &ZH,
            Self::En => &EN,
        }
    }

    /// What the `lang` attribute says.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Zh => "zh-CN",
            Self::En => "en",
        }
    }

    /// What the query and the cookie say.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Zh => "zh",
            Self::En => "en",
        }
    }

    /// The language that `?lang=` or the cookie names.
    #[must_use]
    pub fn named(code: &str) -> Option<Self> {
        match code {
            "zh" => Some(Self::Zh),
            "en" => Some(Self::En),
            _ => None,
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Zh => Self::En,
            Self::En => Self::Zh,
        }
    }

    /// A code of a closed list in this language; a code that has no word yet is shown as it is.
    #[must_use]
    pub fn word(self, list: &str, code: &str) -> String {
        match crate::domain::words::find(list, code) {
            Some((zh, en)) => if self == Self::Zh { zh } else { en }.to_owned(),
            None => code.to_owned(),
        }
    }
}

/// The language of a reader: the query's, else the cookie's, else the first of Accept-Language that we have, else Chinese.
#[must_use]
pub fn negotiate(query: Option<&str>, cookies: &str, accept: &str) -> Language {
    let cookie = cookies.split(';').filter_map(|pair| pair.trim().strip_prefix("lang=")).find_map(Language::named);
    let accepted = accept.split(',').filter_map(|range| {
        let tag = range.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        Language::named(tag.split('-').next().unwrap_or(""))
    });
    query.and_then(Language::named).or(cookie).or(accepted.into_iter().next()).unwrap_or(Language::Zh)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_wins_over_the_cookie_and_the_cookie_over_the_browser() {
        assert_eq!(negotiate(Some("en"), "lang=zh", "zh"), Language::En);
        assert_eq!(negotiate(Some("fr"), "a=b; lang=en", "zh"), Language::En);
        assert_eq!(negotiate(None, "", "fr-FR, en-GB;q=0.8, zh;q=0.5"), Language::En);
        assert_eq!(negotiate(None, "", "fr"), Language::Zh);
    }
}
