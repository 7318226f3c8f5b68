"""What codes are called, in both languages, as on the pages."""

from panels import BLUE, ORANGE, RED, says

# The words of src/domain/words.rs; a test holds them together.
RULES = {
    "repeated_fault": "重复故障 · Repeated fault",
    "repeated_fault_watch": "重复故障（关注） · Repeated fault, watch",
    "repeated_entrapment": "重复困人 · Repeated entrapment",
    "fault_after_repair": "修后复发 · Fault returned after repair",
    "critical_fault": "重大故障 · Critical fault",
    "entrapment": "困人 · People trapped",
    "over_age": "老旧电梯 · Over age",
    "silent_unit": "电梯失联 · Silent unit",
    "evidence_gap": "证据缺口 · Evidence gap",
    "maintenance_overdue": "维保超期 · Maintenance overdue",
    "visit_without_trace": "维保无迹可查 · Visit without a trace",
    "worker_in_two_places": "作业人员分身 · Worker in two places",
    "visit_too_short": "维保时间过短 · Visit too short",
    "area_power": "区域停电 · Area power cut",
    "blind_region": "全区失联 · Region out of sight",
}

# The names of src/domain/fault.rs; a test holds them together.
FAULTS = {
    "controller": "控制器故障 · controller",
    "drive_and_motor": "驱动与电机故障 · drive and motor",
    "governor_and_safety_gear": "限速器安全钳动作 · governor and safety gear",
    "lift_shaft_device": "井道装置故障 · lift shaft device",
    "power_supply": "供电故障 · power supply",
    "safety_interlock": "安全联锁故障 · safety interlock",
    "door_closing": "关门故障 · door closing",
    "door_opening": "开门故障 · door opening",
    "car_stopped_outside_landing_zone": "轿厢停在开锁区域外 · car stopped outside landing zone",
    "call_button_stuck": "呼梯按钮卡阻 · call button stuck",
    "start_failure": "无法启动 · start failure",
    "controller_supply": "控制电源故障 · controller supply",
    "self_test": "自检失败 · self test",
    "runtime_limit_exceeded": "运行时间限制器动作 · runtime limit exceeded",
    "position_lost": "楼层位置丢失 · position lost",
    "drive_temperature": "驱动过热 · drive temperature",
    "load_measurement": "称重故障 · load measurement",
    "unintended_car_movement": "轿厢意外移动 · unintended car movement",
    "overspeed": "超速 · overspeed",
    "overhead_overrun": "冲顶 · overhead overrun",
    "pit_overrun": "蹲底 · pit overrun",
    "levelling": "平层故障 · levelling",
    "safety_chain_open": "运行时安全回路断路 · safety chain open",
    "opened_while_running": "运行中开门 · opened while running",
    "overcapacity": "超载 · overcapacity",
    "comb_plate": "梳齿板故障 · comb plate",
    "handrail": "扶手带故障 · handrail",
    "missing_step": "梯级缺失 · missing step",
    "unintended_reversal": "非操纵逆转 · unintended reversal",
    "other": "其他故障 · other",
}

EVENTS = {
    "fault_raised": "故障发生 · Fault raised",
    "fault_cleared": "故障消除 · Fault cleared",
    "entrapment_reported": "报告困人 · Entrapment reported",
    "passenger_released": "乘客已救出 · Passengers released",
    "alarm_pressed": "按下报警按钮 · Alarm button pressed",
    "mode_changed": "运行模式改变 · Mode changed",
    "mains_off": "停电 · Mains off",
    "mains_on": "来电 · Mains on",
}

# The words of src/domain/words.rs too, and the colours that go with them.
SEVERITIES = {
    "critical": ("严重 · Critical", RED),
    "warning": ("警告 · Warning", ORANGE),
    "info": ("提示 · Info", BLUE),
}


def rules():
    """Rules as mappings of texts."""
    return [says(rule, text) for rule, text in RULES.items()]


def severities():
    """Severities as mappings of texts, with their colours."""
    return [says(severity, text, color) for severity, (text, color) in SEVERITIES.items()]


def names(words):
    """Overrides that give a series, which is called by its code, its name."""
    return [{"matcher": {"id": "byName", "options": code}, "properties": [{"id": "displayName", "value": text}]}
            for code, text in words.items()]
