//! What waits for one receiver of one check (its lane) waits under one key: whoever edits how a
//! check is grouped, or a label that it is grouped by, would otherwise let what is new overtake
//! what waits already.

use std::collections::{BTreeMap, HashMap};

use sqlx::PgConnection;
use uuid::Uuid;

use crate::store::error::{Doing as _, StoreError};

/// A delivery that has just been stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Joining {
    pub id: Uuid,
    pub receiver: Uuid,
    pub check: Uuid,
    pub seq: i64,
    /// What its own check has in common with others; empty: it is told by itself.
    pub key: String,
}

/// A receiver, and a check of which it is told.
type Lane = (Uuid, Uuid);

/// Lets new deliveries wait under the key of what waits in their lanes, held or not; the first of
/// a lane decides for those that come with it.
///
/// Each statement reads one big table by what it is given, as those of `store::told` do; and where
/// nothing is grouped, next to nothing is read.
pub async fn lane_join(conn: &mut PgConnection, new: &[Joining]) -> Result<(), StoreError> {
    let mut lanes: BTreeMap<Lane, Vec<&Joining>> = BTreeMap::new();
    for it in new {
        lanes.entry((it.receiver, it.check)).or_default().push(it);
    }
    let checks: Vec<Uuid> = lanes.keys().map(|(_, check)| *check).collect();
    let alone = new.iter().all(|it| it.key.is_empty());
    if lanes.is_empty() || alone && !is_grouped(conn, &checks).await? {
        return Ok(());
    }
    let waiting = waiting(conn, &lanes).await?;
    let (mut ids, mut keys) = (Vec::new(), Vec::new());
    for (lane, mut joining) in lanes {
        joining.sort_unstable_by_key(|it| it.seq);
        let first = joining.first().map(|it| &it.key);
        let Some(key) = waiting.get(&lane).or(first) else {
            continue;
        };
        for it in joining.iter().filter(|it| it.key != *key) {
            ids.push(it.id);
            keys.push(key.clone());
        }
    }
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update deliveries d set group_key = n.key
         from unnest($1::uuid[], $2::text[]) as n (id, key) where d.id = n.id",
        &ids,
        &keys,
    )
    .execute(conn)
    .await
    .doing("let deliveries wait with what waits")?;
    Ok(())
}

/// Whether anything waits with others, or is held of these checks and will.
async fn is_grouped(conn: &mut PgConnection, checks: &[Uuid]) -> Result<bool, StoreError> {
    sqlx::query_scalar!(
        r#"select exists (select from deliveries where state = 'pending' and group_key <> '')
               or exists (select from deliveries where state = 'held' and check_id = any($1)
                   and group_key <> '') as "grouped!""#,
        checks,
    )
    .fetch_one(conn)
    .await
    .doing("see whether anything is told together")
}

/// Under which key something waits already, by lane.
async fn waiting(
    conn: &mut PgConnection,
    lanes: &BTreeMap<Lane, Vec<&Joining>>,
) -> Result<HashMap<Lane, String>, StoreError> {
    let new: Vec<Uuid> = lanes.values().flatten().map(|it| it.id).collect();
    let mut receivers: Vec<Uuid> = lanes.keys().map(|(receiver, _)| *receiver).collect();
    receivers.dedup();
    let mut checks: Vec<Uuid> = lanes.keys().map(|(_, check)| *check).collect();
    checks.sort_unstable();
    checks.dedup();
    let mut keys: HashMap<Lane, String> = HashMap::new();
    // What was told together is looked for last: what is gathered meanwhile is found either way.
    let alone = sqlx::query!(
        r#"select receiver_id as "receiver_id!", check_id as "check_id!",
               group_key as "group_key!" from (
               select distinct on (receiver_id, check_id) id, receiver_id, check_id, group_key
               from deliveries
               where state = 'pending' and receiver_id = any($1)
                   and coalesce(check_id, receiver_id) = any($2) and replay_no = 0
               order by receiver_id, check_id, created_at, seq) first
           where id <> all($3)
           union all
           select receiver_id, check_id, group_key from deliveries
           where state = 'held' and receiver_id = any($1) and check_id = any($2)
               and replay_no = 0"#,
        &receivers,
        &checks,
        &new,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("find what waits in lanes")?;
    for row in alone {
        let lane = (row.receiver_id, row.check_id);
        keys.entry(lane).or_insert(row.group_key);
    }
    let groups = sqlx::query!(
        "select id, group_key from deliveries
         where state = 'pending' and group_key <> '' and check_id is null
             and receiver_id = any($1)",
        &receivers,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("find messages that are under way")?;
    if groups.is_empty() {
        return Ok(keys);
    }
    let ids: Vec<Uuid> = groups.iter().map(|row| row.id).collect();
    let of: HashMap<Uuid, String> = groups
        .into_iter()
        .map(|row| (row.id, row.group_key))
        .collect();
    let members = sqlx::query!(
        r#"select receiver_id, check_id as "check_id!", superseded_by as "group!" from deliveries
           where superseded_by = any($1) and check_id = any($2)"#,
        &ids,
        &checks,
    )
    .fetch_all(conn)
    .await
    .doing("find what messages tell that are under way")?;
    for row in members {
        if let Some(key) = of.get(&row.group) {
            let lane = (row.receiver_id, row.check_id);
            keys.entry(lane).or_insert_with(|| key.clone());
        }
    }
    Ok(keys)
}
