//! What can be done to what lokahi is made of, to whom, and for how long. Times are seconds.

/// A process that can be killed or stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Lokahid1,
    Lokahid2,
    Healthworker1,
    Healthworker2,
    Webhookworker1,
    Webhookworker2,
    Nats,
    Postgres,
}

impl Who {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Lokahid1 => "lokahid-1",
            Self::Lokahid2 => "lokahid-2",
            Self::Healthworker1 => "healthworker-1",
            Self::Healthworker2 => "healthworker-2",
            Self::Webhookworker1 => "webhookworker-1",
            Self::Webhookworker2 => "webhookworker-2",
            Self::Nats => "nats-server",
            Self::Postgres => "postgres",
        }
    }

    pub(super) fn program(self) -> &'static str {
        match self {
            Self::Lokahid1 | Self::Lokahid2 => "lokahid",
            Self::Healthworker1 | Self::Healthworker2 => "healthworker",
            Self::Webhookworker1 | Self::Webhookworker2 => "webhookworker",
            Self::Nats => "nats-server",
            Self::Postgres => "postgres",
        }
    }
}

/// Where bytes go through our hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Postgres,
    Nats,
}

/// When in a conversation something is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// What matters was said, and does not arrive.
    Before,
    /// It arrives, and its answer does not.
    Between,
    /// Its answer arrives, and nothing after it.
    After,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Kill(Who),
    Freeze(Who),
    StopNats,
    RestartPostgres,
    /// All connections are cut.
    Cut(Link),
    /// No byte goes through.
    Silence(Link),
    FullDisk,
    /// When a transition is committed all connections to Postgres are cut.
    CutAtCommit(Moment),
    /// When a transition is committed each lokahid is killed.
    KillAtCommit(Moment),
    /// When somebody has heard that a transition is committed Postgres is killed.
    KillPostgresAtCommit,
    /// When a receiver is being told each webhookworker is killed.
    KillAtDelivery(Moment),
    /// When it has claimed deliveries, and sent nothing yet, a webhookworker is frozen.
    FreezeAtClaim(Who),
    /// When it has claimed deliveries a webhookworker does not hear of it, and all else goes on.
    HoldAtClaim(Who),
}

impl Kind {
    /// For the log and the table.
    pub(super) fn words(self) -> String {
        match self {
            Self::Kill(who) => format!("kill -9 {}", who.program()),
            Self::Freeze(who) => format!("freeze {}", who.program()),
            Self::StopNats => "stop nats-server".to_owned(),
            Self::RestartPostgres => "restart postgres".to_owned(),
            Self::Cut(link) => format!("cut connections to {}", link.name()),
            Self::Silence(link) => format!("silence connections to {}", link.name()),
            Self::FullDisk => "fill the disk of postgres".to_owned(),
            Self::CutAtCommit(moment) => {
                format!("cut connections to postgres {} a commit", moment.name())
            }
            Self::KillAtCommit(moment) => format!("kill -9 lokahids {} a commit", moment.name()),
            Self::KillPostgresAtCommit => "kill -9 postgres after a commit".to_owned(),
            Self::KillAtDelivery(moment) => {
                format!("kill -9 webhookworkers {} a delivery", moment.name())
            }
            Self::FreezeAtClaim(who) => format!("freeze {} with claims", who.program()),
            Self::HoldAtClaim(who) => format!("hold claims of {}", who.program()),
        }
    }

    /// Which one, where there are two of them.
    pub(super) fn whom(self) -> String {
        match self {
            Self::Kill(who)
            | Self::Freeze(who)
            | Self::FreezeAtClaim(who)
            | Self::HoldAtClaim(who) => self.words().replace(who.program(), who.name()),
            _ => self.words(),
        }
    }

    /// What cannot have two faults at once.
    pub(super) fn subjects(self) -> Vec<Who> {
        use Who::{Lokahid1, Lokahid2, Nats, Postgres, Webhookworker1, Webhookworker2};
        match self {
            Self::Kill(who) | Self::Freeze(who) => vec![who],
            Self::StopNats | Self::Cut(Link::Nats) | Self::Silence(Link::Nats) => vec![Nats],
            Self::RestartPostgres
            | Self::Cut(Link::Postgres)
            | Self::Silence(Link::Postgres)
            | Self::FullDisk => vec![Postgres],
            Self::CutAtCommit(_) | Self::KillAtCommit(_) | Self::KillPostgresAtCommit => {
                vec![Lokahid1, Lokahid2, Postgres]
            }
            Self::KillAtDelivery(_) | Self::FreezeAtClaim(_) | Self::HoldAtClaim(_) => {
                vec![Webhookworker1, Webhookworker2]
            }
        }
    }

    /// Whether a fault of this kind can keep sites from being probed, or what was seen from being
    /// written down.
    pub(super) fn blinds(self) -> bool {
        !matches!(
            self,
            Self::Kill(Who::Webhookworker1 | Who::Webhookworker2)
                | Self::Freeze(Who::Webhookworker1 | Who::Webhookworker2)
                | Self::KillAtDelivery(_)
                | Self::FreezeAtClaim(_)
                | Self::HoldAtClaim(_)
        )
    }

    /// Whether a worker may send what it has lost the right to send.
    pub(super) fn delays_sends(self) -> bool {
        matches!(
            self,
            Self::Freeze(Who::Webhookworker1 | Who::Webhookworker2) | Self::FreezeAtClaim(_)
        )
    }

    /// Whether it waits for its moment.
    pub(super) fn waits(self) -> bool {
        matches!(
            self,
            Self::CutAtCommit(_)
                | Self::KillAtCommit(_)
                | Self::KillPostgresAtCommit
                | Self::KillAtDelivery(_)
                | Self::FreezeAtClaim(_)
                | Self::HoldAtClaim(_)
        )
    }

    /// How long it lasts at least and at most: until what was killed is started, what was frozen
    /// goes on.
    pub(super) fn lasts(self) -> (f64, f64) {
        match self {
            Self::Kill(_) | Self::StopNats => (0.0, 10.0),
            Self::Freeze(_) => (1.0, 15.0),
            // Longer than its lease.
            Self::FreezeAtClaim(_) | Self::HoldAtClaim(_) => (8.0, 15.0),
            Self::RestartPostgres | Self::Cut(_) | Self::CutAtCommit(_) => (0.0, 0.1),
            Self::Silence(_) => (2.0, 12.0),
            Self::FullDisk => (5.0, 12.0),
            Self::KillAtCommit(_) | Self::KillPostgresAtCommit | Self::KillAtDelivery(_) => {
                (0.0, 5.0)
            }
        }
    }
}

impl Link {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Nats => "nats-server",
        }
    }
}

impl Moment {
    pub(super) const ALL: [Self; 3] = [Self::Before, Self::Between, Self::After];

    fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Between => "in",
            Self::After => "after",
        }
    }
}

/// How long a fault that waits for its moment waits.
pub(super) const ARMED: f64 = 8.0;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    pub(super) at: f64,
    pub(super) lasts: f64,
}
