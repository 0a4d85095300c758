//! The outbox: what waits for a receiver, who works on it, and how it ended.

use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;

mod again;
mod claim;
mod due;
mod fallback;
mod finish;
mod group;
mod heard;
mod lane;
mod lease;
mod list;
mod replay;
mod said;
mod untaken;

pub use self::again::{Again, again_due, again_ended};
pub use self::claim::{Begun, delivery_begin, delivery_claim};
pub use self::due::{Candidate, delivery_due, delivery_lock, delivery_next};
pub use self::fallback::fallback_insert;
pub use self::finish::delivery_finish;
pub use self::group::{
    Gathering, GatheringLimits, NewGroup, group_due, group_insert, group_single,
};
pub use self::lane::{Joining, lane_join};
pub use self::lease::{delivery_lapse, delivery_renew};
pub use self::list::{
    DeliveryFilter, StoredAttempt, StoredDelivery, delivery_attempts, delivery_find,
    delivery_named, delivery_read, delivery_unknown, delivery_waiting,
};
pub use self::replay::{
    Latest, NewTest, ReplayFilter, delivery_retry, replay_insert, replay_lock, replay_named,
    replay_since, test_insert,
};
pub use self::untaken::{UNTAKEN_COUNTED, Untaken, delivery_untaken};
use super::error::{Doing as _, StoreError};
use crate::model::desired::CANARY_PROJECT;
use crate::model::id::{CheckId, DeliveryId, EventId, ReceiverId};
use crate::model::secret::SecretUse;
use crate::model::webhook::WebhookSpec;

/// How long a claim lasts unless it is renewed.
pub const LEASE: Duration = Duration::from_secs(6);

/// The type of an event that tells others.
const GROUP: &str = "group";
/// The type of an event that somebody sends to see whether it arrives.
pub const TEST: &str = "test";
/// Why one of those is dead.
pub const TRIED_ONCE: &str = "a test is tried once";

/// A delivery that is ours to attempt now.
#[derive(Clone, Debug)]
pub struct Claimed {
    pub id: DeliveryId,
    pub event: EventId,
    pub receiver: ReceiverId,
    pub check: Option<CheckId>,
    /// Not 0: it is sent beside what else waits for the receiver of the check.
    pub replay: i32,
    pub kind: String,
    pub at: OffsetDateTime,
    /// What the receiver wants; the error, if this program cannot read it.
    pub webhook: Result<WebhookSpec, String>,
    /// Whether values of its secrets may be used.
    pub secrets: SecretUse,
    /// The check, as PROJECT/ADDRESS: for the log.
    pub subject: String,
    /// The receiver's name; when it has none, its host or the secret that it is.
    pub receiver_name: String,
    /// Number of this attempt, from 1.
    pub attempt: i32,
    pub first_attempt_at: OffsetDateTime,
    /// How many attempts were answered with 400, 413 or 422.
    pub refused: i32,
    /// Of them those with 413.
    pub too_large: i32,
    /// The first answer that says that we are not welcome, or not there, since which there was no
    /// other.
    pub unwelcome_since: Option<OffsetDateTime>,
    /// The events that this one goes out for, too, in their order: none of them was sent with
    /// success. Of a group, all that it tells.
    pub superseded: Vec<Carried>,
    /// Of a receiver of alerts: the encoded events that it has got of what these go on with or
    /// end, oldest first.
    pub before: Vec<Vec<u8>>,
    /// It ends an incident of which the receiver has got nothing.
    pub unheard: bool,
    /// The encoded event.
    pub payload: Vec<u8>,
    /// What an earlier attempt sent, if there was one.
    pub body: Option<Vec<u8>>,
}

/// An event that goes out within another one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Carried {
    /// The encoded event.
    pub payload: Vec<u8>,
    /// In a group: it ends something of which the receiver has got nothing before.
    pub unheard: bool,
}

/// How an attempt ended, and what becomes of its delivery.
#[derive(Clone, Debug)]
pub struct Attempted {
    pub delivery: DeliveryId,
    pub receiver: ReceiverId,
    pub check: Option<CheckId>,
    pub replay: i32,
    /// A test says nothing of how its receiver does: it is for whoever sent it.
    pub is_test: bool,
    /// Number of the attempt, from 1.
    pub n: i32,
    pub status: Option<u16>,
    pub error: Option<String>,
    /// The beginning of the answer, at most 4 KiB.
    pub excerpt: String,
    pub took: Duration,
    pub ended_at: OffsetDateTime,
    /// Until when the receiver asks for time, for all that goes there.
    pub slowed_until: Option<OffsetDateTime>,
    /// When what was delivered is posted again, if it goes on by then.
    pub again_at: Option<OffsetDateTime>,
    /// Whether there was something to send, which is what every later attempt sends.
    pub frozen: bool,
    pub verdict: Verdict,
}

impl Attempted {
    fn arrived(&self) -> bool {
        self.verdict == Verdict::Delivered
    }
}

/// What becomes of the delivery.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    Delivered,
    RetryAt(OffsetDateTime),
    /// Nothing more is tried; the reason is shown.
    Dead(String),
}

/// How many deliveries are in each state that needs somebody, and the age of
/// the oldest that is due, in seconds. Whoever removes a receiver wants nothing
/// more to be sent there: that needs nobody. Whoever sent a test looks at it.
pub async fn delivery_counts(
    conn: &mut PgConnection,
    now: OffsetDateTime,
) -> Result<DeliveryCounts, StoreError> {
    let row = sqlx::query!(
        // Each state by an index of its own: what was delivered is most of them.
        r#"select w.pending as "pending!",
               coalesce(extract(epoch from $1 - w.oldest), 0)::double precision as "oldest!",
               (select count(*) from deliveries where state = 'held'
                   and receiver_id <> all(canaries.ids)) as "held!",
               (select count(*) from deliveries where state = 'dead'
                   and reason not in ('receiver removed', $2)
                   and receiver_id <> all(canaries.ids)) as "dead!",
               (select count(*) from trials where suspect_at is not null and over_at is null)
                   as "suspect!",
               (select count(*) from receiver_status s join receivers r on r.id = s.receiver_id
                   join projects p on p.id = r.project_id and p.name <> $3
                   where s.failing_since is not null and r.deleted_at is null) as "failing!"
           from (select array(select r.id from receivers r
               join projects p on p.id = r.project_id where p.name = $3) as ids) canaries
           cross join lateral (select count(*) as pending, min(created_at) as oldest
               from deliveries where state = 'pending'
                   and receiver_id <> all(canaries.ids)) w"#,
        now,
        TRIED_ONCE,
        CANARY_PROJECT,
    )
    .fetch_one(conn)
    .await
    .doing("count deliveries")?;
    Ok(DeliveryCounts {
        pending: row.pending,
        held: row.held,
        dead: row.dead,
        oldest_seconds: row.oldest,
        suspect: row.suspect,
        failing: row.failing,
    })
}

/// What waits and what was given up.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeliveryCounts {
    pub pending: i64,
    /// Something holds them back.
    pub held: i64,
    /// But for tests, and those whose receiver was removed.
    pub dead: i64,
    /// Age of the oldest that waits.
    pub oldest_seconds: f64,
    /// Generations that are suspect: what their checks would tell is held.
    pub suspect: i64,
    /// Receivers whose last attempt failed.
    pub failing: i64,
}
