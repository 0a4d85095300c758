//! `maintain`: somebody works on checks for a while, and nobody is to hear of it.

use super::arguments::TextOutput;
use super::arguments::overlay::Maintain;
use super::exit::{Exit, Failure};
use super::output::Console;
use super::table::{age, printable, table};
use crate::client::Client;
use crate::plan::text::{counted, moment};
use crate::proto::lokahi::{MaintainOpts, Maintenance, MaintenancesOpts};
use crate::proto::moment::time_of;

pub(super) async fn maintain(
    client: &Client,
    what: Maintain,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let json = what.output == TextOutput::Json;
    if what.list {
        let asked = MaintenancesOpts {
            project: what.project.unwrap_or_default(),
        };
        let page = client.maintenances(&asked).await?;
        if json {
            console.json(&page)?;
            return Ok(Exit::Ok);
        }
        if page.maintenances.is_empty() {
            writeln!(console.words, "No maintenance is declared or under way.")?;
            return Ok(Exit::Ok);
        }
        let heading = ["ID", "NAME", "PROJECT", "MEANS", "CHECKS", "WHEN", "REASON"];
        let rows: Vec<Vec<String>> = page.maintenances.iter().map(row).collect();
        console.out.write_all(table(&heading, &rows).as_bytes())?;
        return Ok(Exit::Ok);
    }
    if let Some(id) = what.end {
        let ended = client.maintenance_end(&id).await?;
        if json {
            console.json(&ended)?;
            return Ok(Exit::Ok);
        }
        let checks = checks(&ended);
        writeln!(console.out, "maintenance of {checks} is over")?;
        return Ok(Exit::Ok);
    }
    let (Some(lasts), Some(reason)) = (what.lasts, what.reason) else {
        let message = "how long, and why? --for 2h --reason TEXT";
        return Err(Failure::new(Exit::Usage, message.to_owned()));
    };
    let (mut project, mut names) = (what.project.unwrap_or_default(), Vec::new());
    for name in what.names {
        let Some((of, name)) = name.split_once('/') else {
            names.push(name);
            continue;
        };
        if !project.is_empty() && project != of {
            let message = "one maintenance is of one project, or of all";
            return Err(Failure::new(Exit::Usage, message.to_owned()));
        }
        project = of.to_owned();
        names.push(name.to_owned());
    }
    if project.is_empty() && names.is_empty() && what.labels.is_empty() {
        let message = "which checks? Name them, or give --label or --project";
        return Err(Failure::new(Exit::Usage, message.to_owned()));
    }
    let made = client
        .maintain(&MaintainOpts {
            project,
            names,
            labels: what.labels.into_iter().collect(),
            for_seconds: i64::try_from(lasts.as_secs()).unwrap_or(i64::MAX),
            reason,
        })
        .await?;
    if json {
        console.json(&made)?;
        return Ok(Exit::Ok);
    }
    let (checks, until) = (checks(&made), at(&made.end));
    writeln!(
        console.out,
        "maintenance of {checks} until {until}: {}",
        printable(&made.reason)
    )?;
    let id = &made.id;
    writeln!(
        console.words,
        "lokahictl maintain --end {id} ends it early."
    )?;
    if made.checks == 0 {
        writeln!(
            console.words,
            "warning: it means no check now: lokahictl list shows names"
        )?;
    }
    Ok(Exit::Ok)
}

fn checks(of: &Maintenance) -> String {
    counted(usize::try_from(of.checks).unwrap_or(0), "check")
}

fn at(at: &Option<prost_types::Timestamp>) -> String {
    let at = at.as_ref().map(time_of).map(moment);
    at.unwrap_or_else(|| "-".to_owned())
}

fn row(of: &Maintenance) -> Vec<String> {
    let or_dash = |text: &str| if text.is_empty() { "-" } else { text }.to_owned();
    let names = of.names.iter().cloned();
    let labels = of
        .labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"));
    let means: Vec<String> = names.chain(labels).collect();
    let mut when = match of.open {
        true => format!("until {}", at(&of.end)),
        false => format!("{} to {}", at(&of.start), at(&of.end)),
    };
    if !of.cron.is_empty() {
        let lasts = age(
            Some(prost_types::Timestamp::default()),
            time::OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(of.duration_seconds),
        );
        when.push_str(&format!(" ({} for {lasts}, {})", of.cron, of.timezone));
    }
    vec![
        of.id.clone(),
        or_dash(&of.name),
        or_dash(&of.project),
        means.join(" "),
        of.checks.to_string(),
        when,
        match of.name.as_str() {
            "" => format!("{} ({})", of.reason, of.by),
            _ => of.reason.clone(),
        },
    ]
}
