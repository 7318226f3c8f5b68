//! Fault codes: the 17 of BACnet LiftFault (ISO 16484-5), those that lifts and escalators need beside them, and `other`.

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
    pub vendor_code: Option<String>,
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
