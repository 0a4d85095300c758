//! Waits until what was applied is in force: the schedulers have it, and what is new was probed.

use std::time::Duration;

use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Console;
use crate::cli::table::printable;
use crate::client::Client;
use crate::clock;
use crate::plan::text::counted;
use crate::proto::lokahi::ProgressRequest;

/// The types of notices that no probes come from a location, and that its workers are cut off.
const SILENT: &str = "check.stale";
const CUT_OFF: &str = "prober.impaired";
/// How often it is asked how far the schedulers are.
const ASK: Duration = Duration::from_millis(250);

pub(super) async fn wait(
    client: &Client,
    project: &str,
    generation: i64,
    patience: Duration,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let started = clock::monotonic();
    let asked = ProgressRequest {
        project: project.to_owned(),
        generation,
    };
    loop {
        let progress = client.progress(&asked).await?;
        let unknown = usize::try_from(progress.unknown).unwrap_or(0);
        let is_silent = progress.notices.iter().any(|it| it.r#type == SILENT);
        if progress.scheduled && progress.unprobed == 0 && unknown == 0 && !is_silent {
            writeln!(
                console.words,
                "In force: the schedulers have generation {generation}, and new checks were probed."
            )?;
            if let changed @ 1.. = progress.changed {
                let changed = usize::try_from(changed).unwrap_or(0);
                let (are, their) = match changed {
                    1 => ("is", "its"),
                    _ => ("are", "their"),
                };
                writeln!(
                    console.words,
                    "{} {are} probed with what is new at {their} next turn: whether a probe can \
                     look (a secret may not be bound to a new host) lokahictl list -s says then.",
                    counted(changed, "changed check")
                )?;
            }
            return Ok(Exit::Ok);
        }
        // A secret that is missing or not bound comes by no waiting.
        let is_lost = progress.scheduled && progress.unprobed == 0 && unknown > 0 && {
            let mut notices = progress.notices.iter();
            notices.all(|it| it.reason.contains("/secret_"))
        };
        let cut_off = progress.notices.iter().any(|it| it.r#type == CUT_OFF);
        let waited = clock::monotonic().saturating_duration_since(started);
        if is_lost || waited >= patience {
            let why = match progress.scheduled {
                true => {
                    let n = usize::try_from(progress.unprobed).unwrap_or(0);
                    let were = if n == 1 { "was" } else { "were" };
                    let unprobed = format!("{} {were} not probed yet", counted(n, "new check"));
                    let why = match cut_off {
                        true => "whose probes failed where nearly everything does",
                        false => "whose probes could not look",
                    };
                    let of = counted(unknown, "new or changed check");
                    let nothing = format!("nothing is known of {of}, {why}");
                    let silent = "no probes come from where its checks are probed".to_owned();
                    let all = [
                        (n > 0, unprobed),
                        (unknown > 0, nothing),
                        (is_silent, silent),
                    ];
                    let all = all.into_iter().filter(|(is_so, _)| *is_so);
                    let all: Vec<String> = all.map(|(_, words)| words).collect();
                    all.join(", and ")
                }
                false => "not every scheduler has taken it over yet".to_owned(),
            };
            let after = match is_lost {
                true => String::new(),
                false => format!("after {patience:?} "),
            };
            let message = format!("generation {generation} is applied, and {after}{why}");
            for notice in &progress.notices {
                let text = format!("{} of {}: {}", notice.r#type, project, notice.message);
                writeln!(console.words, "{}", printable(&text))?;
            }
            let hint = match progress.scheduled {
                true if progress.unprobed == 0 && !is_silent && !cut_off => {
                    "it is mended where the words above say; lokahictl list -s says what is known"
                }
                true if cut_off && !is_silent => {
                    "the checks are as good as they were: it is the network or the name server of \
                     the health workers there that is to be mended; lokahictl list -s says what \
                     is known"
                }
                true => "does a health worker run? lokahictl list -s says which were not probed",
                false => {
                    "does a lokahid run? lokahictl status and lokahictl list say how it goes on"
                }
            };
            return Err(Failure::new(Exit::NotInForce, message).hint(hint));
        }
        tokio::time::sleep(ASK).await;
    }
}
