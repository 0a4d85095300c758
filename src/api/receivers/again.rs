//! What operators send: tests, again what has ended, and now what waits.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use uuid::Uuid;

use super::{delivery, known, name, no_state, place, the_one, unknown, uuids};
use crate::api::Call;
use crate::api::checks::{replayed, request_key, whole_microseconds};
use crate::api::error::ApiError;
use crate::clock;
use crate::model::id::{EventId, ReceiverId};
use crate::proto::lokahi::check::State;
use crate::proto::lokahi::{
    Check, CheckStatus, Delivery, ReplayOpts, ReplayResult, RetryOpts, RetryResult, TestOpts,
};
use crate::proto::moment::{time_of, timestamp};
use crate::proto::twirp::{Code, TwirpError};
use crate::store::Connection;
use crate::store::audit::{AuditEntry, audit_write};
use crate::store::delivery::{
    self, Latest, NewTest, ReplayFilter, delivery_read, delivery_retry, delivery_unknown,
    replay_insert, replay_lock, replay_named, replay_since, test_insert,
};
use crate::store::receiver::{ReceiverCalled, receiver_called};
use crate::store::request::{request_find, request_keep};

pub(super) const TEST: &str = "github.xe.lokahi.Receivers/Test";
pub(super) const REPLAY: &str = "github.xe.lokahi.Receivers/Replay";
/// What is sent again by state.
const ENDED: [&str; 3] = ["delivered", "dead", "superseded"];
/// How many ids one call may name.
const MOST_IDS: usize = 1_000;
/// How much is sent again at once: unless more is allowed, and at most.
const USUAL: i32 = 100;
const MOST: i32 = 10_000;
/// Where the check of a test would be, were it one.
const NOWHERE: &str = "https://lokahi.example/test";

pub(super) async fn test(call: Call, opts: TestOpts) -> Result<Delivery, ApiError> {
    let key = request_key(&call, &opts.request_id, TEST)?;
    let now = whole_microseconds(clock::now());
    let mut tx = call.state.store.begin().await?;
    if let Some(key) = key
        && let Some(sent) = replayed(request_find(&mut tx, key).await?, TEST)?
    {
        return Ok(sent);
    }
    let to = the_one(&mut tx, &opts.project, &opts.receiver).await?;
    if let Some(until) = to.slowed_until.filter(|until| *until > now) {
        let seconds = (until - now).whole_seconds().max(1);
        let text = format!(
            "the receiver {0} asked for time, and nothing is sent there for {seconds} s more; to \
             send what waits now all the same: lokahictl webhook retry {0}",
            called(&to)
        );
        let error = TwirpError::new(Code::FailedPrecondition, text);
        return Err(error.with("reason", "slowed").into());
    }
    let event = EventId(Uuid::now_v7());
    let payload = CheckStatus {
        check: Some(Check {
            id: event.to_string(),
            name: "test".to_owned(),
            url: NOWHERE.to_owned(),
            project: to.project.clone(),
            state: State::Up.into(),
            since: Some(timestamp(now)),
            ..Check::default()
        }),
        r#type: delivery::TEST.to_owned(),
        event_id: event.to_string(),
        previous_state: State::Up.into(),
        at: Some(timestamp(now)),
        ..CheckStatus::default()
    };
    let new = NewTest {
        event,
        receiver: to.id,
        payload: &payload.encode_to_vec(),
    };
    let made = test_insert(&mut tx, &new, now).await?;
    let made = made.ok_or_else(|| unknown(&opts.project, &opts.receiver))?;
    let read = delivery_read(&mut tx, &[made]).await?.pop();
    let sent = delivery(read.ok_or(ApiError::SpecLost)?, Vec::new());
    let subject = format!("receiver {}", called(&to));
    let entry = AuditEntry {
        project: &to.project,
        ..call.entry(now, &subject)
    };
    audit_write(&mut tx, &entry).await?;
    if let Some(key) = key {
        request_keep(&mut tx, key, &sent.encode_to_vec(), now).await?;
    }
    call.commit(tx, "send a test").await?;
    hint(&call, &[event]).await;
    Ok(sent)
}

pub(super) async fn replay(call: Call, opts: ReplayOpts) -> Result<ReplayResult, ApiError> {
    let key = request_key(&call, &opts.request_id, REPLAY)?;
    let most = match opts.most {
        0 => USUAL,
        most @ 1..=MOST => most,
        most => {
            let why = format!("{most} is not between 1 and {MOST}");
            return Err(TwirpError::argument("most", why).into());
        }
    };
    let now = whole_microseconds(clock::now());
    let mut tx = call.state.store.begin().await?;
    if let Some(key) = key
        && let Some(result) = replayed(request_find(&mut tx, key).await?, REPLAY)?
    {
        return Ok(result);
    }
    replay_lock(&mut tx).await?;
    let found = match (opts.ids.is_empty(), &opts.since) {
        (false, None) => by_ids(&mut tx, &opts).await?,
        (true, Some(since)) => {
            let receivers = to(&mut tx, &opts).await?;
            if !opts.state.is_empty() && !ENDED.contains(&opts.state.as_str()) {
                return Err(no_state(&opts.state, &ENDED).into());
            }
            let filter = ReplayFilter {
                since: time_of(since),
                state: &opts.state,
                receivers: receivers.as_deref(),
            };
            replay_since(&mut tx, &filter, i64::from(MOST) + 1).await?
        }
        _ => {
            let why = "or since is needed, and not both: what is to be sent again?";
            return Err(TwirpError::argument("ids", why).into());
        }
    };
    if found.len() > usize::try_from(most).unwrap_or(0) {
        return Err(too_many(found.len()).into());
    }
    let ids: Vec<_> = found.iter().map(|it| it.id).collect();
    let made = replay_insert(&mut tx, &ids, now).await?;
    let events: BTreeSet<EventId> = found.iter().map(|it| it.event).collect();
    let receivers: BTreeSet<ReceiverId> = found.iter().map(|it| it.receiver).collect();
    let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    let result = ReplayResult {
        deliveries: count(made.len()),
        events: count(events.len()),
        receivers: count(receivers.len()),
        ids: made.iter().map(ToString::to_string).collect(),
    };
    let mut projects: BTreeMap<&str, (usize, BTreeSet<String>)> = BTreeMap::new();
    for it in &found {
        let of = projects.entry(&it.project).or_default();
        of.0 += 1;
        of.1.insert(shown(it));
    }
    for (project, (many, to)) in projects {
        let to: Vec<String> = to.into_iter().collect();
        let subject = format!("{many} deliveries to {}", to.join(", "));
        let entry = AuditEntry {
            project,
            ..call.entry(now, &subject)
        };
        audit_write(&mut tx, &entry).await?;
    }
    if let Some(key) = key {
        request_keep(&mut tx, key, &result.encode_to_vec(), now).await?;
    }
    call.commit(tx, "send events again").await?;
    hint(&call, &events.into_iter().collect::<Vec<_>>()).await;
    Ok(result)
}

/// What ids name: all of it can be sent again, or nothing is.
async fn by_ids(conn: &mut Connection, opts: &ReplayOpts) -> Result<Vec<Latest>, ApiError> {
    if !opts.state.is_empty() {
        return Err(TwirpError::argument("state", "is for what is sent again since then").into());
    }
    let ids = uuids(&opts.ids, MOST_IDS)?;
    if let Some(id) = delivery_unknown(conn, &ids).await?.first() {
        let text = format!("there is no delivery and no event {id}");
        let error = TwirpError::new(Code::NotFound, text).with("argument", "ids");
        return Err(error.into());
    }
    let receivers = to(conn, opts).await?;
    let found = replay_named(conn, &ids, receivers.as_deref()).await?;
    if found.is_empty() {
        let text = "nothing of it went to this receiver";
        return Err(TwirpError::new(Code::NotFound, text).into());
    }
    for it in &found {
        let refused = match it.state.as_str() {
            _ if it.removed => Some((
                "removed",
                "was removed, and nothing is sent there; --receiver NAME sends to another one only",
            )),
            "pending" => Some((
                "waits",
                "waits for it already; to send it now: lokahictl webhook retry",
            )),
            "held" => Some(("held", "is held back: lokahictl explain says by what")),
            _ if it.is_outdated => Some((
                "outdated",
                "was followed by something newer, and alerts say what is so now: it is not sent \
                 again there",
            )),
            _ => None,
        };
        if let Some((reason, why)) = refused {
            let text = match reason {
                "removed" => format!("the receiver {} {why}", shown(it)),
                _ => format!("the event {} for {} {why}", it.event, shown(it)),
            };
            let error = TwirpError::new(Code::FailedPrecondition, text);
            return Err(error.with("reason", reason).into());
        }
    }
    Ok(found)
}

/// Which receivers alone get it again; `None`: all.
async fn to(conn: &mut Connection, opts: &ReplayOpts) -> Result<Option<Vec<ReceiverId>>, ApiError> {
    if !opts.receiver.is_empty() {
        let to = the_one(conn, &opts.project, &opts.receiver).await?;
        return Ok(Some(vec![to.id]));
    }
    if opts.project.is_empty() {
        return Ok(None);
    }
    known(conn, &opts.project).await?;
    let of = receiver_called(conn, name(&opts.project, "")).await?;
    Ok(Some(of.into_iter().map(|it| it.id).collect()))
}

fn too_many(many: usize) -> TwirpError {
    if many > usize::try_from(MOST).unwrap_or(0) {
        let text = format!(
            "more than {MOST} deliveries would be sent again, which is too much at once: name a \
             receiver, or a later moment"
        );
        return TwirpError::new(Code::FailedPrecondition, text).with("reason", "far_too_many");
    }
    let text = format!("{many} deliveries would be sent again");
    TwirpError::new(Code::FailedPrecondition, text)
        .with("reason", "too_many")
        .with("deliveries", many.to_string())
}

pub(super) async fn retry(call: Call, opts: RetryOpts) -> Result<RetryResult, ApiError> {
    let now = whole_microseconds(clock::now());
    let mut tx = call.state.store.begin().await?;
    let (receivers, subject, project) = match (opts.all, opts.receiver.as_str()) {
        (false, _) => {
            let to = the_one(&mut tx, &opts.project, &opts.receiver).await?;
            let subject = format!("receiver {}", called(&to));
            (vec![to.id], subject, to.project)
        }
        (true, "") => {
            known(&mut tx, &opts.project).await?;
            let all = receiver_called(&mut tx, name(&opts.project, "")).await?;
            let there = all.into_iter().filter(|it| !it.removed).map(|it| it.id);
            (there.collect(), "all receivers".to_owned(), opts.project)
        }
        (true, _) => {
            let why = "says which one, where all are meant";
            return Err(TwirpError::argument("receiver", why).into());
        }
    };
    let due = delivery_retry(&mut tx, &receivers, now).await?;
    let events: BTreeSet<EventId> = due.iter().map(|it| it.0).collect();
    let receivers: BTreeSet<ReceiverId> = due.iter().map(|it| it.1).collect();
    let reason = format!("{} deliveries", due.len());
    let entry = AuditEntry {
        project: &project,
        reason: &reason,
        ..call.entry(now, &subject)
    };
    audit_write(&mut tx, &entry).await?;
    call.commit(tx, "send what waits").await?;
    hint(&call, &events.into_iter().collect::<Vec<_>>()).await;
    Ok(RetryResult {
        deliveries: i64::try_from(due.len()).unwrap_or(i64::MAX),
        receivers: i32::try_from(receivers.len()).unwrap_or(i32::MAX),
    })
}

/// Workers look by themselves, too.
async fn hint(call: &Call, events: &[EventId]) {
    if !events.is_empty() {
        let hinted = call.state.bus.hint_publish(events).await;
        hinted.unwrap_or_default();
    }
}

fn called(to: &ReceiverCalled) -> String {
    match &to.address {
        Some(name) => name.clone(),
        None => place(&to.url),
    }
}

fn shown(it: &Latest) -> String {
    match &it.receiver_name {
        Some(name) => name.clone(),
        None => place(&it.url),
    }
}
