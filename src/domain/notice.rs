//! Words of telling people: what a notification is about, how a delivery stands, what people answer.

use super::vocabulary::vocabulary;

vocabulary!(
    /// Why a receiver is told something.
    NotificationKind, "notification kind", {
        /// Alerts began, grew worse or ended.
        Alerts = "alerts",
        /// Alerts still fire and nobody has answered for a repeat interval.
        Reminder = "reminder",
        /// A deadline passed without an answer; the next in the ladder is told.
        Escalation = "escalation",
        /// Proof that the way to the receiver works.
        Heartbeat = "heartbeat",
        /// The newest checkpoint of the ledger, for whoever keeps it elsewhere.
        Checkpoint = "checkpoint",
        /// Something is wrong with liftwatch itself.
        Operator = "operator",
        /// Several messages in one, because the receiver takes no more of them now.
        Digest = "digest",
        /// A person asked for it, to try the way.
        Test = "test",
    }
);

vocabulary!(
    /// How a delivery stands.
    DeliveryState, "delivery state", {
        /// To be sent, or sent again.
        Due = "due",
        Delivered = "delivered",
        /// Given up; a person sees it and can send it again.
        Dead = "dead",
    }
);

vocabulary!(
    /// How a try to send ended.
    AttemptOutcome, "attempt outcome", {
        Delivered = "delivered",
        /// Worth another try: no answer, 408, 425, 429, 5xx.
        Retry = "retry",
        /// The receiver does not want it (another 4xx, a redirect): few tries more.
        Refused = "refused",
        /// The receiver is no more (410): the sink is disabled.
        Gone = "gone",
    }
);

vocabulary!(
    /// What a person answers to an alert.
    AnswerKind, "answer", {
        /// Somebody has it in hand.
        Acknowledged = "acknowledged",
        /// There was nothing: counts in the share of false alarms.
        FalseAlarm = "false_alarm",
        /// Somebody is on site.
        Arrived = "arrived",
        Note = "note",
    }
);

vocabulary!(
    /// What is said of many units at once, and stands for the alerts of each of them.
    AreaKind, "kind of area event", {
        /// Units of a site lost the mains together.
        AreaPower = "area_power",
        /// Units of a region fell silent together.
        BlindRegion = "blind_region",
    }
);

vocabulary!(
    /// What of liftwatch's own surroundings the operator must put right.
    TroubleKind, "kind of trouble", {
        /// A publisher speaks for units that the registry gives to others.
        ForeignUnit = "foreign_unit",
        /// A publisher sends to a region's broker what belongs to units of another region.
        ForeignRegion = "foreign_region",
        /// A publisher tells of units that the registry does not have.
        UnknownUnit = "unknown_unit",
        /// Another client takes a region's client id.
        ClientIdTaken = "client_id_taken",
    }
);
