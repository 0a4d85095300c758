//! The service `github.xe.lokahi.Receivers`: who is told, and what became of it. What is sent by
//! hand stands in `again`.

mod again;

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use super::Call;
use super::convert::webhook_format;
use super::error::ApiError;
use super::permit::Needs;
use super::twirp::Methods;
use crate::clock;
use crate::model::id::{CheckId, DeliveryId, InvalidId, ReceiverId};
use crate::model::webhook::ReceiverUrl;
use crate::proto::lokahi::{
    DeliveriesOpts, DeliveriesPage, Delivery, DeliveryAttempt, Receiver, ReceiversOpts,
    ReceiversPage,
};
use crate::proto::moment::{time_of, timestamp};
use crate::proto::twirp::{Code, TwirpError};
use crate::spec;
use crate::store::Connection;
use crate::store::delivery::{
    DeliveryFilter, StoredAttempt, StoredDelivery, delivery_attempts, delivery_find,
    delivery_named, delivery_read,
};
use crate::store::project::project_find;
use crate::store::receiver::{
    ReceiverCalled, ReceiverName, ReceiverStanding, receiver_called, receiver_standing,
};

const STATES: [&str; 5] = ["pending", "held", "delivered", "superseded", "dead"];
/// How many receivers a page has, and how many deliveries.
const RECEIVERS: (i64, i64) = (1_000, 10_000);
const DELIVERIES: (i64, i64) = (30, 1_000);
/// How many ids one call may look at; and how many deliveries with all their attempts.
const MOST_IDS: usize = 100;
const MOST_TRIED: i64 = 20;

pub(super) fn add(methods: Methods) -> Methods {
    methods
        .with(
            "github.xe.lokahi.Receivers/Deliveries",
            Needs::Read,
            deliveries,
        )
        .with("github.xe.lokahi.Receivers/List", Needs::Read, list)
        .with(again::REPLAY, Needs::Operate, again::replay)
        .with(
            "github.xe.lokahi.Receivers/Retry",
            Needs::Operate,
            again::retry,
        )
        .with(again::TEST, Needs::Operate, again::test)
}

async fn list(call: Call, opts: ReceiversOpts) -> Result<ReceiversPage, ApiError> {
    let count = counted(opts.count, RECEIVERS)?;
    let mut conn = call.state.store.acquire().await?;
    known(&mut conn, &opts.project).await?;
    let name = name(&opts.project, &opts.receiver);
    // One more than is shown tells that there are more.
    let mut stored = receiver_standing(&mut conn, name, count + 1, clock::now()).await?;
    let most = usize::try_from(count).unwrap_or(0);
    let more = stored.len() > most;
    stored.truncate(most);
    Ok(ReceiversPage {
        receivers: stored.into_iter().map(receiver).collect(),
        more,
        untold: (call.state.troubles.deliveries)().unwrap_or_default(),
    })
}

async fn deliveries(call: Call, opts: DeliveriesOpts) -> Result<DeliveriesPage, ApiError> {
    let untold = (call.state.troubles.deliveries)().unwrap_or_default();
    let mut conn = call.state.store.acquire().await?;
    let page = page_of(&mut conn, opts).await?;
    Ok(DeliveriesPage { untold, ..page })
}

async fn page_of(conn: &mut Connection, opts: DeliveriesOpts) -> Result<DeliveriesPage, ApiError> {
    let before = match opts.before.as_str() {
        "" => None,
        id => Some(of_argument::<DeliveryId>("before", id)?),
    };
    if let Some(before) = before
        && delivery_read(conn, &[before]).await?.is_empty()
    {
        return Err(TwirpError::argument("before", "is no delivery").into());
    }
    if !opts.ids.is_empty() {
        return named(conn, &opts, before).await;
    }
    if opts.attempts {
        return Err(TwirpError::argument("attempts", "is for what ids name").into());
    }
    let count = counted(opts.count, DELIVERIES)?;
    let state = Some(opts.state.as_str()).filter(|state| !state.is_empty());
    if let Some(state) = state
        && !STATES.contains(&state)
    {
        return Err(no_state(state, &STATES).into());
    }
    known(conn, &opts.project).await?;
    let receivers = match (opts.project.as_str(), opts.receiver.as_str()) {
        ("", "") => None,
        (project, receiver) => {
            let called = receiver_called(conn, name(project, receiver)).await?;
            if called.is_empty() && !receiver.is_empty() {
                return Err(unknown(project, receiver).into());
            }
            Some(called.into_iter().map(|it| it.id).collect())
        }
    };
    let check = match opts.check_id.as_str() {
        "" => None,
        id => Some(of_argument::<CheckId>("check_id", id)?),
    };
    let filter = DeliveryFilter {
        state,
        receivers,
        check,
        since: opts.since.as_ref().map(time_of),
        before,
    };
    let mut found = delivery_find(conn, &filter, count + 1).await?;
    let more = cut(&mut found, count);
    let deliveries: Vec<Delivery> = delivery_read(conn, &found)
        .await?
        .into_iter()
        .map(|stored| delivery(stored, Vec::new()))
        .collect();
    Ok(page(deliveries, more))
}

/// A page of what ids name.
async fn named(
    conn: &mut Connection,
    opts: &DeliveriesOpts,
    before: Option<DeliveryId>,
) -> Result<DeliveriesPage, ApiError> {
    let beside = DeliveriesOpts {
        ids: opts.ids.clone(),
        before: opts.before.clone(),
        attempts: opts.attempts,
        ..DeliveriesOpts::default()
    };
    if *opts != beside {
        return Err(TwirpError::argument("ids", "leave nothing to be filtered").into());
    }
    let ids = uuids(&opts.ids, MOST_IDS)?;
    let count = match opts.attempts {
        true => MOST_TRIED,
        false => DELIVERIES.1,
    };
    let mut found = delivery_named(conn, &ids, before, count + 1).await?;
    let more = cut(&mut found, count);
    let read = delivery_read(conn, &found).await?;
    let mut tried: HashMap<DeliveryId, Vec<StoredAttempt>> = HashMap::new();
    if opts.attempts {
        // Read last: of what has ended by then each attempt has its end.
        tried = delivery_attempts(conn, &found).await?;
    }
    let deliveries = read.into_iter().map(|stored| {
        let tried = tried.remove(&stored.id).unwrap_or_default();
        delivery(stored, tried)
    });
    Ok(page(deliveries.collect(), more))
}

/// Leaves so many; whether there were more.
fn cut(found: &mut Vec<DeliveryId>, count: i64) -> bool {
    let most = usize::try_from(count).unwrap_or(0);
    let more = found.len() > most;
    found.truncate(most);
    more
}

fn page(deliveries: Vec<Delivery>, more: bool) -> DeliveriesPage {
    let last = deliveries.last().filter(|_| more);
    DeliveriesPage {
        next: last.map(|last| last.id.clone()).unwrap_or_default(),
        deliveries,
        untold: String::new(),
    }
}

/// Refuses the name of a project that is not there.
async fn known(conn: &mut Connection, project: &str) -> Result<(), ApiError> {
    if project.is_empty() || project_find(conn, project).await?.is_some() {
        return Ok(());
    }
    let text = format!("there is no project {project:?}");
    let error = TwirpError::new(Code::NotFound, text).with("argument", "project");
    Err(error.into())
}

fn counted(count: i32, (usual, most): (i64, i64)) -> Result<i64, TwirpError> {
    match i64::from(count) {
        0 => Ok(usual),
        count if (1..=most).contains(&count) => Ok(count),
        count => {
            let why = format!("{count} is not between 1 and {most}");
            Err(TwirpError::argument("count", why))
        }
    }
}

fn no_state(state: &str, all: &[&str]) -> TwirpError {
    let shown: String = state.chars().take(100).collect();
    TwirpError::argument("state", format!("{shown:?} is none of {}", all.join(", ")))
}

fn of_argument<T: std::str::FromStr<Err = InvalidId>>(
    name: &str,
    text: &str,
) -> Result<T, TwirpError> {
    text.parse()
        .map_err(|error: InvalidId| TwirpError::argument(name, error))
}

/// Ids of deliveries or events, each once.
fn uuids(ids: &[String], most: usize) -> Result<Vec<Uuid>, TwirpError> {
    if ids.len() > most {
        let why = format!("at most {most} can be named, not {}", ids.len());
        return Err(TwirpError::argument("ids", why));
    }
    let ids = ids
        .iter()
        .map(|id| Ok(of_argument::<DeliveryId>("ids", id)?.0));
    let ids: BTreeSet<Uuid> = ids.collect::<Result<_, TwirpError>>()?;
    Ok(ids.into_iter().collect())
}

/// What a name or an id may mean; empty: any.
fn name<'a>(project: &'a str, receiver: &'a str) -> ReceiverName<'a> {
    let id = receiver.parse::<ReceiverId>().ok();
    ReceiverName {
        project: Some(project).filter(|name| !name.is_empty()),
        address: Some(receiver).filter(|name| !name.is_empty() && id.is_none()),
        id,
    }
}

/// The one receiver that is meant and there.
async fn the_one(
    conn: &mut Connection,
    project: &str,
    receiver: &str,
) -> Result<ReceiverCalled, ApiError> {
    if receiver.is_empty() {
        return Err(TwirpError::argument("receiver", "is needed").into());
    }
    let all = receiver_called(conn, name(project, receiver)).await?;
    let mut there: Vec<ReceiverCalled> = all.iter().filter(|it| !it.removed).cloned().collect();
    let shown: String = receiver.chars().take(100).collect();
    match (there.len(), all.len()) {
        (1, _) => Ok(there.remove(0)),
        (0, 0) => Err(unknown(project, receiver).into()),
        (0, _) => {
            let text = format!("the receiver {shown:?} was removed: nothing is sent there");
            let error = TwirpError::new(Code::FailedPrecondition, text);
            Err(error.with("reason", "removed").into())
        }
        _ => {
            let projects: Vec<&str> = there.iter().map(|it| it.project.as_str()).collect();
            let why = format!(
                "{shown:?} is one of several projects: {}; say of which",
                projects.join(", ")
            );
            Err(TwirpError::argument("receiver", why).into())
        }
    }
}

fn unknown(project: &str, receiver: &str) -> TwirpError {
    let short = |text: &str| text.chars().take(100).collect::<String>();
    let of = match project {
        "" => String::new(),
        project => format!(" in the project {:?}", short(project)),
    };
    let text = format!("there is no receiver {:?}{of}", short(receiver));
    TwirpError::new(Code::NotFound, text).with("argument", "receiver")
}

/// As much of a URL as anybody may see.
fn place(url: &str) -> String {
    url.parse::<ReceiverUrl>()
        .map_or("-".to_owned(), |url| url.place())
}

fn secrets(bytes: &[u8]) -> usize {
    spec::decode_webhook(bytes).map_or(0, |spec| spec.secrets.len())
}

fn receiver(stored: ReceiverStanding) -> Receiver {
    let events = stored.events.split_whitespace();
    Receiver {
        id: stored.id.to_string(),
        project: stored.project,
        name: stored.address.unwrap_or_default(),
        host: place(&stored.url),
        format: webhook_format(stored.format).into(),
        events: events.map(str::to_owned).collect(),
        secrets: i32::try_from(secrets(&stored.spec)).unwrap_or(0),
        send_each: !stored.collapse,
        fallback: stored.fallback,
        checks: i32::try_from(stored.checks).unwrap_or(i32::MAX),
        waiting: stored.waiting,
        held: stored.held,
        dead: stored.dead,
        failures: stored.failures,
        error: match stored.failing_since {
            Some(_) => stored.error,
            None => String::new(),
        },
        failing_since: stored.failing_since.map(timestamp),
        delivered_at: stored.delivered_at.map(timestamp),
        slowed_until: stored.slowed_until.map(timestamp),
    }
}

fn delivery(stored: StoredDelivery, tried: Vec<StoredAttempt>) -> Delivery {
    let now = clock::now();
    let (check_id, check_project, check) = match stored.check {
        Some((id, project, address)) => (id.to_string(), project, address),
        None => Default::default(),
    };
    let waits = stored.state == "pending";
    let (by, by_state) = stored.superseded.unzip();
    Delivery {
        id: stored.id.to_string(),
        event_id: stored.event.to_string(),
        r#type: stored.kind,
        resolved: stored.resolved,
        check_id,
        check,
        check_project,
        project: stored.project,
        receiver: stored.receiver_name.unwrap_or_default(),
        receiver_id: stored.receiver.to_string(),
        host: place(&stored.url),
        receiver_removed: stored.removed,
        signed: secrets(&stored.spec) > 0,
        reason: stored.reason,
        attempts: stored.attempts,
        created_at: Some(timestamp(stored.created_at)),
        next_at: Some(timestamp(stored.next_at))
            .filter(|_| waits && stored.claimed_until.is_none()),
        finished_at: stored.finished_at.map(timestamp),
        status: stored.status.map_or(0, i32::from),
        error: stored.error.unwrap_or_default(),
        excerpt: stored.excerpt.unwrap_or_default(),
        superseded_by: by.map(|id| id.to_string()).unwrap_or_default(),
        superseded_state: by_state.unwrap_or_default(),
        again: stored.again.unwrap_or_default(),
        after: stored.after.map(|id| id.to_string()).unwrap_or_default(),
        replay: stored.replay,
        tried: tried.into_iter().map(attempt).collect(),
        sending: waits && stored.claimed_until.is_some_and(|until| until > now),
        state: stored.state,
    }
}

fn attempt(stored: StoredAttempt) -> DeliveryAttempt {
    DeliveryAttempt {
        number: stored.n,
        started_at: Some(timestamp(stored.started_at)),
        finished_at: stored.finished_at.map(timestamp),
        status: stored.status.map_or(0, i32::from),
        error: stored.error.unwrap_or_default(),
        excerpt: stored.excerpt.unwrap_or_default(),
    }
}
