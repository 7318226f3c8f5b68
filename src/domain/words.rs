//! The words that readers see for codes of closed lists: (list, code, Chinese, English).

use super::notice::AreaKind;

/// Every word. A code that is missing here is shown as it is; a test holds the lists of the domain against this table.
const WORDS: &[(&str, &str, &str, &str)] = &[
    ("severity", "critical", "严重", "Critical"),
    ("severity", "warning", "警告", "Warning"),
    ("severity", "info", "提示", "Info"),
    ("state", "firing", "告警中", "Firing"),
    ("state", "resolved", "已解除", "Resolved"),
    ("state", "withdrawn", "已撤回", "Withdrawn"),
    ("rule", "repeated_fault", "重复故障", "Repeated fault"),
    ("rule", "repeated_fault_watch", "重复故障（关注）", "Repeated fault, watch"),
    ("rule", "repeated_entrapment", "重复困人", "Repeated entrapment"),
    ("rule", "fault_after_repair", "修后复发", "Fault returned after repair"),
    ("rule", "critical_fault", "重大故障", "Critical fault"),
    ("rule", "entrapment", "困人", "People trapped"),
    ("rule", "over_age", "老旧电梯", "Over age"),
    ("rule", "silent_unit", "电梯失联", "Silent unit"),
    ("rule", "evidence_gap", "证据缺口", "Evidence gap"),
    ("rule", "area_power", "区域停电", "Area power cut"),
    ("rule", "blind_region", "全区失联", "Region out of sight"),
    ("entry", "visit", "维保记录", "Visit"),
    ("entry", "confirmation", "使用单位确认", "Owner's confirmation"),
    ("entry", "hazard", "重大隐患", "Hazard"),
    ("entry", "alert_transition", "告警变化", "Alert"),
    ("entry", "answer", "人员答复", "Answer"),
    ("entry", "silence", "静默", "Silence"),
    ("entry", "silence_ended", "静默结束时间", "End of a silence"),
    ("entry", "unit", "电梯登记", "Registry"),
    ("entry", "rules", "规则版本", "Rules"),
    ("entry", "config", "配置版本", "Configuration"),
    ("entry", "token", "访问令牌", "Token"),
    ("entry", "export", "导出", "Export"),
    ("entry", "erasure", "个人信息删除", "Erasure"),
    ("entry", "heads", "各梯序号汇总", "How far each unit has come"),
    ("area", "open", "持续中", "Lasts"),
    ("area", "ended", "已结束", "Over"),
    ("transition", "fired", "开始告警", "Began to fire"),
    ("transition", "recorded_late", "补录", "Recorded late"),
    ("transition", "escalated", "升级", "Escalated"),
    ("transition", "revised", "修正", "Revised"),
    ("transition", "reopened", "重新告警", "Fires again"),
    ("transition", "resolved", "解除", "Resolved"),
    ("transition", "withdrawn", "撤回", "Withdrawn"),
    ("notification", "alerts", "告警", "Alerts"),
    ("notification", "reminder", "提醒", "Reminder"),
    ("notification", "escalation", "逾期上报", "Escalation"),
    ("notification", "heartbeat", "心跳", "Heartbeat"),
    ("notification", "operator", "系统自身", "About liftwatch"),
    ("notification", "digest", "汇总", "Digest"),
    ("notification", "test", "测试", "Test"),
    ("outcome", "delivered", "已送达", "Delivered"),
    ("outcome", "retry", "未送达，将重试", "Not delivered, tried again"),
    ("outcome", "refused", "被拒收", "Refused"),
    ("outcome", "gone", "接收方已停用", "Gone"),
    ("answer", "acknowledged", "已有人处理", "In hand"),
    ("answer", "false_alarm", "误报", "False alarm"),
    ("answer", "arrived", "已到现场", "On site"),
    ("answer", "note", "备注", "Note"),
    ("standing", "open", "尚无人答复", "Nobody has answered"),
    ("standing", "answered", "已有人答复", "Answered"),
    ("standing", "expired", "答复已过期", "The answer has expired"),
    ("standing", "outgrown", "答复后级别上升，须重新答复", "It grew worse since the answer; answer again"),
    ("standing", "reopened", "答复后再次告警，须重新答复", "It fires again since the answer; answer again"),
    ("silence", "pending", "未开始", "Not begun"),
    ("silence", "active", "生效中", "In force"),
    ("silence", "expired", "已结束", "Ended"),
    ("lasts", "1", "1 小时", "1 hour"),
    ("lasts", "4", "4 小时", "4 hours"),
    ("lasts", "8", "8 小时", "8 hours"),
    ("lasts", "24", "1 天", "1 day"),
    ("lasts", "72", "3 天", "3 days"),
    ("lasts", "168", "7 天", "7 days"),
    ("lasts", "720", "30 天", "30 days"),
    ("event", "fault_raised", "故障发生", "Fault raised"),
    ("event", "fault_cleared", "故障消除", "Fault cleared"),
    ("event", "entrapment_reported", "报告困人", "Entrapment reported"),
    ("event", "passenger_released", "乘客已救出", "Passengers released"),
    ("event", "alarm_pressed", "按下报警按钮", "Alarm button pressed"),
    ("event", "mode_changed", "运行模式改变", "Mode changed"),
    ("event", "mains_off", "停电", "Mains off"),
    ("event", "mains_on", "来电", "Mains on"),
    ("origin", "reported", "电梯上报", "told by the unit"),
    ("origin", "edge", "由状态变化得出", "found between two states"),
    ("origin", "derived", "由持续状态推定", "concluded from a lasting state"),
    ("origin", "person", "人员录入", "told by a person"),
    ("mode", "out_of_service", "停止服务", "Out of service"),
    ("mode", "normal", "正常", "Normal"),
    ("mode", "inspection", "检修", "Inspection"),
    ("mode", "fire_recall", "消防返回", "Fire recall"),
    ("mode", "firefighter", "消防员运行", "Firefighter"),
    ("mode", "emergency_power", "应急电源", "Emergency power"),
    ("mode", "earthquake", "地震模式", "Earthquake"),
    ("mode", "unknown", "不明", "Unknown"),
    ("direction", "none", "无", "none"),
    ("direction", "up", "上行", "up"),
    ("direction", "down", "下行", "down"),
    ("door", "open", "开门到位", "open"),
    ("door", "opening", "正在开门", "opening"),
    ("door", "closing", "正在关门", "closing"),
    ("door", "closed", "关门到位", "closed"),
    ("door", "unknown", "不明", "unknown"),
    ("kind", "traction", "曳引电梯", "Traction lift"),
    ("kind", "hydraulic", "液压电梯", "Hydraulic lift"),
    ("kind", "dumbwaiter", "杂物电梯", "Dumbwaiter"),
    ("kind", "escalator", "自动扶梯", "Escalator"),
    ("visit", "FM", "急修（FM）", "Callback (FM)"),
    ("visit", "HM", "半月维保（HM）", "Half-month (HM)"),
    ("visit", "TM", "季度维保（TM）", "Quarter (TM)"),
    ("visit", "SM", "半年维保（SM）", "Half-year (SM)"),
    ("visit", "OY", "年度维保（OY）", "Year (OY)"),
    ("fault", "controller", "控制系统", "Controller"),
    ("fault", "drive_and_motor", "驱动与电机", "Drive and motor"),
    ("fault", "governor_and_safety_gear", "限速器与安全钳", "Governor and safety gear"),
    ("fault", "lift_shaft_device", "井道装置", "Shaft device"),
    ("fault", "power_supply", "电源", "Power supply"),
    ("fault", "safety_interlock", "安全联锁", "Safety interlock"),
    ("fault", "door_closing", "关门故障", "Door closing"),
    ("fault", "door_opening", "开门故障", "Door opening"),
    ("fault", "car_stopped_outside_landing_zone", "非平层区停梯", "Stopped outside the landing zone"),
    ("fault", "call_button_stuck", "按钮卡阻", "Call button stuck"),
    ("fault", "start_failure", "无法启动", "Start failure"),
    ("fault", "controller_supply", "控制电源", "Controller supply"),
    ("fault", "self_test", "自检", "Self test"),
    ("fault", "runtime_limit_exceeded", "运行超时", "Run time exceeded"),
    ("fault", "position_lost", "楼层位置丢失", "Position lost"),
    ("fault", "drive_temperature", "驱动过热", "Drive temperature"),
    ("fault", "load_measurement", "称重装置", "Load measurement"),
    ("fault", "unintended_car_movement", "轿厢意外移动", "Unintended car movement"),
    ("fault", "overspeed", "超速", "Overspeed"),
    ("fault", "overhead_overrun", "冲顶", "Overhead overrun"),
    ("fault", "pit_overrun", "蹲底", "Pit overrun"),
    ("fault", "levelling", "平层不准", "Levelling"),
    ("fault", "safety_chain_open", "安全回路断开", "Safety chain open"),
    ("fault", "opened_while_running", "运行中开门", "Opened while running"),
    ("fault", "overcapacity", "超载", "Overcapacity"),
    ("fault", "comb_plate", "梳齿板", "Comb plate"),
    ("fault", "handrail", "扶手带", "Handrail"),
    ("fault", "missing_step", "梯级缺失", "Missing step"),
    ("fault", "unintended_reversal", "非操纵逆转", "Unintended reversal"),
    ("fault", "other", "其他故障", "Other fault"),
    ("problem", "400", "请求有误", "The request is wrong"),
    ("problem", "403", "不允许从其他网站提交", "Not from a page of another site"),
    ("problem", "404", "没有找到", "Not found"),
    ("problem", "405", "此地址不接受这种请求", "Not with this method"),
    ("problem", "409", "目前状态下不能这样做", "Not as things stand"),
    ("problem", "500", "程序内部出错", "A fault in the daemon"),
    ("problem", "503", "数据库暂时没有应答", "The database gives no answer"),
    ("problem", "504", "查询超时，请缩小范围", "It took too long; narrow the range"),
    ("field", "mode", "运行模式", "Mode"),
    ("field", "moving", "运行中", "Moving"),
    ("field", "direction", "方向", "Direction"),
    ("field", "landing", "楼层", "Landing"),
    ("field", "door", "轿门", "Car door"),
    ("field", "in_unlocking_zone", "在开锁区", "In unlocking zone"),
    ("field", "occupied", "轿内有人", "Occupied"),
    ("field", "active_faults", "当前故障", "Active faults"),
    ("field", "alarm", "报警按钮", "Alarm button"),
    ("field", "entrapment", "困人", "Entrapment"),
    ("field", "mains_off", "停电", "Mains off"),
    ("field", "runs", "运行次数", "Runs"),
    ("field", "door_cycles", "开关门次数", "Door cycles"),
    ("field", "run_seconds", "运行秒数", "Seconds of running"),
];

/// The Chinese and the English word.
#[must_use]
pub fn find(list: &str, code: &str) -> Option<(&'static str, &'static str)> {
    WORDS.iter().find(|word| word.0 == list && word.1 == code).map(|word| (word.2, word.3))
}

/// The rules that say something of one unit; the others are said of an area.
pub fn unit_rules() -> impl Iterator<Item = &'static str> {
    rules().filter(|rule| rule.parse::<AreaKind>().is_err())
}

/// The rules that have a name, in the order of the table.
pub fn rules() -> impl Iterator<Item = &'static str> {
    WORDS.iter().filter(|word| word.0 == "rule").map(|word| word.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::alert::{AlertState, Severity, TransitionKind};
    use crate::domain::event::{Direction, Door, EventType, Mode, Origin};
    use crate::domain::fault::FaultCode;
    use crate::domain::notice::AnswerKind;
    use crate::domain::unit::UnitKind;
    use crate::domain::visit::VisitKind;

    #[test]
    fn every_code_of_the_domain_has_a_word() {
        let lists: [(&str, Vec<&str>); 13] = [
            ("answer", AnswerKind::ALL.iter().map(|word| word.as_str()).collect()),
            ("rule", AreaKind::ALL.iter().map(|word| word.as_str()).collect()),
            ("severity", Severity::ALL.iter().map(|word| word.as_str()).collect()),
            ("state", AlertState::ALL.iter().map(|word| word.as_str()).collect()),
            ("transition", TransitionKind::ALL.iter().map(|word| word.as_str()).collect()),
            ("event", EventType::ALL.iter().map(|word| word.as_str()).collect()),
            ("origin", Origin::ALL.iter().map(|word| word.as_str()).collect()),
            ("mode", Mode::ALL.iter().map(|word| word.as_str()).collect()),
            ("direction", Direction::ALL.iter().map(|word| word.as_str()).collect()),
            ("door", Door::ALL.iter().map(|word| word.as_str()).collect()),
            ("kind", UnitKind::ALL.iter().map(|word| word.as_str()).collect()),
            ("visit", VisitKind::ALL.iter().map(|word| word.as_str()).collect()),
            ("fault", FaultCode::ALL.iter().map(|word| word.as_str()).collect()),
        ];
        for (list, codes) in lists {
            for code in codes {
                assert!(find(list, code).is_some(), "{list} {code}");
            }
        }
    }
}
