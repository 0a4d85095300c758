//! `plan`: what an apply would do, and who would be told of what differently.

use clap::ValueEnum;

use super::document::document;
use super::planned::Planned;
use super::probed;
use super::roots::roots;
use super::saved::save;
use crate::cli::arguments::TextOutput;
use crate::cli::arguments::projects::{Finding, Plan};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Console;
use crate::client::Client;

/// Plans every project at and below the folder, each by itself.
pub(in crate::cli) async fn plan(
    client: &Client,
    what: &Plan,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let roots = roots(&what.path, &what.inputs, what.output, console)?;
    if roots.len() > 1 && what.save.is_some() {
        let message = format!("{} holds {} projects", what.path.display(), roots.len());
        return Err(Failure::new(Exit::Usage, message).hint("--save is for one: name its folder"));
    }
    let several = roots.len() > 1;
    let mut worst = Exit::Ok;
    for root in roots {
        let shown = root.shown();
        let form = ("plan", what.output);
        let planned = root.plan(client, &what.scope, false, form, console).await;
        let exit = match planned {
            Ok(mut planned) => {
                if several {
                    writeln!(console.out, "{shown}: project {}", planned.project)?;
                }
                if what.probe {
                    probed::probe(client, &mut planned).await?;
                }
                show(&planned, what, console)?
            }
            Err(failure) if several => failure.report(console.words),
            Err(failure) => return Err(failure),
        };
        worst = worse(worst, exit);
    }
    Ok(worst)
}

fn show(planned: &Planned, what: &Plan, console: &mut Console<'_>) -> Result<Exit, Failure> {
    match what.output {
        TextOutput::Human => console.out.write_all(planned.human().as_bytes())?,
        TextOutput::Json => writeln!(console.out, "{:#}", document(planned, "plan"))?,
    }
    if what.probe && what.output == TextOutput::Human {
        probed::say(planned, console)?;
    }
    if let Some(file) = &what.save {
        save(planned, file)?;
        writeln!(
            console.words,
            "saved: lokahictl apply --plan {} does exactly this",
            file.display()
        )?;
    }
    let found = what.fail_on.iter().filter(|it| has(planned, **it));
    let found: Vec<String> = found
        .filter_map(ValueEnum::to_possible_value)
        .map(|name| name.get_name().to_owned())
        .collect();
    if !found.is_empty() {
        let found = found.join(", ");
        writeln!(
            console.words,
            "error: the plan has what --fail-on names: {found}"
        )?;
        return Ok(Exit::Findings);
    }
    if planned.is_held() {
        return Ok(Exit::Held);
    }
    if planned.probed.iter().any(|(_, seen)| probed::is_down(seen)) {
        return Ok(Exit::WouldBeDown);
    }
    match what.detailed_exitcode && !planned.plan.is_empty() {
        true => Ok(Exit::Changes),
        false => Ok(Exit::Ok),
    }
}

fn has(planned: &Planned, finding: Finding) -> bool {
    match finding {
        Finding::Delete => planned.summary().delete > 0,
        Finding::Silence => planned.silent > 0,
        Finding::Guard => planned.is_held(),
        Finding::Drift => planned.summary().drifted > 0,
        Finding::Warning => !planned.plan.warnings.is_empty() || !planned.lints.is_empty(),
    }
}

/// Of several projects the one that wants the most attention decides: invalid files first.
pub(super) fn worse(one: Exit, other: Exit) -> Exit {
    let weight = |exit: Exit| match exit {
        Exit::Ok => 0,
        Exit::Changes => 1,
        Exit::Findings => 2,
        Exit::WouldBeDown => 3,
        Exit::Held => 4,
        _ => 5,
    };
    if weight(other) > weight(one) {
        other
    } else {
        one
    }
}
