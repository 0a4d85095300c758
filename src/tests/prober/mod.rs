//! The prober against sites that behave badly, over real sockets.

pub(crate) mod site;
mod faults;
mod manners;
pub(crate) mod reuse;
mod authority;
mod certificates;
mod names;
mod secrets;
mod access;
mod asserts;
mod worker;
mod leaks;
mod peers;

use std::sync::Arc;
use std::time::Duration;

use lokahi::clock;
use lokahi::egress::policy::AddressPolicy;
use lokahi::egress::resolver::Resolver;
use lokahi::egress::tls::Trust;
use lokahi::model::check::{CheckSpec, Every, Timeout};
use lokahi::model::id::CheckId;
use lokahi::model::observation::Observation;
use lokahi::model::secret::SecretUse;
use lokahi::prober::probe::{ProbeContext, probe};

/// Longer than anything here takes on a busy machine.
const GENEROUS: Duration = Duration::from_secs(60);

fn context() -> ProbeContext {
    let resolver = Arc::new(Resolver::with_servers(&[], ""));
    ProbeContext::new(resolver, AddressPolicy::default(), &Trust::native()).unwrap()
}

fn check(url: &str) -> CheckSpec {
    check_within(url, 10_000)
}

fn check_within(url: &str, milliseconds: i64) -> CheckSpec {
    let every = Every::from_seconds(600).unwrap();
    CheckSpec {
        every,
        timeout: Timeout::from_milliseconds(milliseconds, every).unwrap(),
        ..CheckSpec::new(url.parse().unwrap())
    }
}

/// One probe; a hang of the prober itself fails the test.
async fn observe(context: &ProbeContext, spec: &CheckSpec) -> Observation {
    observe_as(context, spec, &SecretUse::bound("shop")).await
}

/// On behalf of the only project that declares anything.
fn allowed() -> SecretUse {
    SecretUse::of(&"shop".into(), true, Some("shop"))
}

async fn observe_as(context: &ProbeContext, spec: &CheckSpec, secrets: &SecretUse) -> Observation {
    let id = CheckId(uuid::Uuid::from_u128(7));
    let probe = probe(context, spec, id, clock::now(), secrets);
    tokio::time::timeout(GENEROUS, probe).await.unwrap()
}

/// Outcome and class, as people read them.
fn verdict(observation: &Observation) -> String {
    let outcome = observation.outcome.name();
    match observation.class {
        Some(class) => format!("{outcome} {}", class.name()),
        None => outcome.to_owned(),
    }
}
