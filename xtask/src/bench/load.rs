//! `load`: how long `lokahictl create_load` takes.

use anyhow::Result;

use super::fleet::Fleet;
use crate::figures::Figures;
use crate::workspace;

const TIMES: u32 = 3;

pub(super) fn measure(fleet: &mut Fleet, checks: u32) -> Result<Figures> {
    let mut figures = Figures::default();
    for time in 1..=TIMES {
        let since = workspace::monotonic();
        let (count, target) = (checks.to_string(), fleet.site_url());
        let mut create = fleet.lokahictl()?;
        create.args(["create_load", "--count", &count, "--target", &target]);
        workspace::output(&mut create)?;
        let took = since.elapsed().as_secs_f64();
        figures.add_with_bar(
            &format!("create_load {time}"),
            took,
            format!("{took:.2} s"),
            "< 2 s",
        );
        fleet.check()?;
    }
    let stored = fleet.postgres().query("select count(*) from checks")?;
    figures.add("checks stored", stored.as_str(), stored.clone());
    Ok(figures)
}
