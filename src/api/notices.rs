//! What holds for several checks at once, beside a list of them: a generation that is suspect, a
//! location that is not believed, checks of which nothing is known.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use time::OffsetDateTime;

use crate::hold::TrialState;
use crate::model::observation::ErrorClass;
use crate::model::secret::SecretName;
use crate::proto::lokahi::{Evidence, Notice};
use crate::shard::suspect;
use crate::shard::unknown::Unknown;
use crate::store::Connection;
use crate::store::error::StoreError;
use crate::store::impaired::impaired_of;
use crate::store::stale::stale_silent;
use crate::store::trial::trial_list;
use crate::store::unknown::{UnknownCheck, UnknownOf, unknown_list};

/// Of one project, or of all.
pub(super) async fn notices(
    conn: &mut Connection,
    project: Option<&str>,
    now: OffsetDateTime,
) -> Result<Vec<Notice>, StoreError> {
    let mut all = Vec::new();
    for row in trial_list(conn, None).await? {
        let of = &row.trial.project;
        if let TrialState::Suspect { until } = row.trial.state
            && now < until
            && project.is_none_or(|project| project == of)
        {
            all.push(Notice {
                r#type: suspect::KIND.to_owned(),
                project: of.clone(),
                message: suspect::words(&row, until),
                reason: String::new(),
            });
        }
    }
    all.extend(cut_off_notices(conn, project).await?);
    let of = project.map_or(UnknownOf::All, UnknownOf::Project);
    let unknown = unknown_list(conn, of).await?;
    // Of these the one above tells.
    let is_said = |check: &UnknownCheck| check.class == ErrorClass::ProberImpaired;
    all.extend(unknown_notices(
        unknown.into_iter().filter(|it| !is_said(it)),
    ));
    Ok(all)
}

/// One for each location whose workers are cut off, and for each project that this concerns.
pub(super) async fn cut_off_notices(
    conn: &mut Connection,
    project: Option<&str>,
) -> Result<Vec<Notice>, StoreError> {
    let workers = impaired_of(conn, project).await?.into_iter();
    let notices = workers.map(|it| Notice {
        r#type: crate::shard::impaired::KIND.to_owned(),
        project: it.project,
        message: it.message,
        reason: it.location,
    });
    Ok(notices.collect())
}

/// One for each location from which no probes of a project's checks come.
pub(super) async fn silent_notices(
    conn: &mut Connection,
    project: Option<&str>,
) -> Result<Vec<Notice>, StoreError> {
    let silent = stale_silent(conn, project).await?.into_iter();
    let notices = silent.map(|it| Notice {
        r#type: crate::shard::stale::KIND.to_owned(),
        message: crate::shard::stale::silence(it.checks, &it.location),
        project: it.project,
        reason: it.location,
    });
    Ok(notices.collect())
}

/// How many names are named.
const NAMED: usize = 3;

/// The checks of one notice.
#[derive(Default)]
struct Group {
    checks: usize,
    names: Vec<String>,
    hosts: BTreeSet<String>,
    detail: String,
}

/// One for each project, location and cause.
pub(super) fn unknown_notices(checks: impl Iterator<Item = UnknownCheck>) -> Vec<Notice> {
    let mut groups: BTreeMap<_, Group> = BTreeMap::new();
    for check in checks {
        let bytes = check.evidence.unwrap_or_default();
        let seen = Evidence::decode(&*bytes).unwrap_or_default();
        let secret = match check.class {
            ErrorClass::SecretUnbound | ErrorClass::SecretMissing => {
                SecretName::named_in(&seen.detail)
            }
            _ => None,
        };
        let key = (check.project, seen.location, check.class, secret);
        let group = groups.entry(key).or_default();
        group.checks += 1;
        if group.names.len() < NAMED {
            group.names.push(check.address);
        }
        group.hosts.insert(check.host);
        group.detail = seen.detail;
    }
    let notice = |(key, group): (&(String, String, ErrorClass, Option<SecretName>), &Group)| {
        let (project, location, class, secret) = key;
        let unknown = Unknown {
            project,
            location,
            class: *class,
            secret: secret.as_ref(),
            checks: group.checks,
            names: group.names.iter().map(String::as_str).collect(),
            hosts: group.hosts.iter().map(String::as_str).collect(),
            detail: &group.detail,
        };
        let secret = secret.as_ref().map(|it| format!("/{}", it.as_str()));
        Notice {
            r#type: "unknown".to_owned(),
            project: project.clone(),
            message: unknown.words(),
            reason: format!("{location}/{}{}", class.name(), secret.unwrap_or_default()),
        }
    };
    groups.iter().map(notice).collect()
}
