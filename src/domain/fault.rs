//! Fault codes: the 17 of BACnet LiftFault (ISO 16484-5), those that lifts and escalators need beside them, and `other`.

use smol_str::SmolStr;

use super::vocabulary::vocabulary;

vocabulary!(
    /// The canonical fault vocabulary; each payload family maps its own codes to it.
    FaultCode, "fault code", {
        Controller = "controller",
        DriveAndMotor = "drive_and_motor",
        GovernorAndSafetyGear = "governor_and_safety_gear",
        LiftShaftDevice = "lift_shaft_device",
        PowerSupply = "power_supply",
        SafetyInterlock = "safety_interlock",
        DoorClosing = "door_closing",
        DoorOpening = "door_opening",
        CarStoppedOutsideLandingZone = "car_stopped_outside_landing_zone",
        CallButtonStuck = "call_button_stuck",
        StartFailure = "start_failure",
        ControllerSupply = "controller_supply",
        SelfTest = "self_test",
        RuntimeLimitExceeded = "runtime_limit_exceeded",
        PositionLost = "position_lost",
        DriveTemperature = "drive_temperature",
        LoadMeasurement = "load_measurement",
        UnintendedCarMovement = "unintended_car_movement",
        Overspeed = "overspeed",
        OverheadOverrun = "overhead_overrun",
        PitOverrun = "pit_overrun",
        Levelling = "levelling",
        SafetyChainOpen = "safety_chain_open",
        /// A door found open, or opened, while the car was running.
        OpenedWhileRunning = "opened_while_running",
        Overcapacity = "overcapacity",
        CombPlate = "comb_plate",
        Handrail = "handrail",
        MissingStep = "missing_step",
        UnintendedReversal = "unintended_reversal",
        /// None of the above; the vendor's own code tells such faults apart.
        Other = "other",
    }
);

/// A fault as it was told: the canonical code, and the vendor's own where there was one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fault {
    pub code: FaultCode,
    pub vendor_code: Option<SmolStr>,
}

impl Fault {
    /// What tells two faults of a unit apart: the code, and for `other` the vendor's code too.
    #[must_use]
    pub fn key(&self) -> (FaultCode, Option<&str>) {
        match self.code {
            FaultCode::Other => (self.code, self.vendor_code.as_deref()),
            _ => (self.code, None),
        }
    }
}

impl FaultCode {
    /// What an English reader calls it: the code in words.
    #[must_use]
    pub fn en(self) -> String {
        self.as_str().replace('_', " ")
    }

    /// What a Chinese reader calls it.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Controller => "控制器故障",
            Self::DriveAndMotor => "驱动与电机故障",
            Self::GovernorAndSafetyGear => "限速器安全钳动作",
            Self::LiftShaftDevice => "井道装置故障",
            Self::PowerSupply => "供电故障",
            Self::SafetyInterlock => "安全联锁故障",
            Self::DoorClosing => "关门故障",
            Self::DoorOpening => "开门故障",
            Self::CarStoppedOutsideLandingZone => "轿厢停在开锁区域外",
            Self::CallButtonStuck => "呼梯按钮卡阻",
            Self::StartFailure => "无法启动",
            Self::ControllerSupply => "控制电源故障",
            Self::SelfTest => "自检失败",
            Self::RuntimeLimitExceeded => "运行时间限制器动作",
            Self::PositionLost => "楼层位置丢失",
            Self::DriveTemperature => "驱动过热",
            Self::LoadMeasurement => "称重故障",
            Self::UnintendedCarMovement => "轿厢意外移动",
            Self::Overspeed => "超速",
            Self::OverheadOverrun => "冲顶",
            Self::PitOverrun => "蹲底",
            Self::Levelling => "平层故障",
            Self::SafetyChainOpen => "运行时安全回路断路",
            Self::OpenedWhileRunning => "运行中开门",
            Self::Overcapacity => "超载",
            Self::CombPlate => "梳齿板故障",
            Self::Handrail => "扶手带故障",
            Self::MissingStep => "梯级缺失",
            Self::UnintendedReversal => "非操纵逆转",
            Self::Other => "其他故障",
        }
    }
}
