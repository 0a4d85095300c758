//! What holds for several checks at once, beside a list of them: a generation that is suspect, a
//! worker that is not believed.

use time::OffsetDateTime;

use crate::hold::TrialState;
use crate::proto::lokahi::Notice;
use crate::shard::suspect;
use crate::store::Connection;
use crate::store::error::StoreError;
use crate::store::impaired::impaired_of;
use crate::store::trial::trial_list;

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
            });
        }
    }
    let workers = impaired_of(conn, project).await?.into_iter();
    all.extend(workers.map(|it| Notice {
        r#type: crate::shard::impaired::KIND.to_owned(),
        project: it.project,
        message: it.message,
    }));
    Ok(all)
}
