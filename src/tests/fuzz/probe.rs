//! Fuzzing of the path that an answer takes through the prober, over real sockets: a site says
//! what a script tells it, and whatever that is, the probe ends by its deadline with an outcome,
//! a reason that can be shown, no secret in it, nothing left open, and little memory used.
//!
//! It runs in a process of its own, where every descriptor and every byte is its own:
//! `FUZZ_SECONDS=600 cargo test --test lokahi fuzz::probe -- --nocapture`.

mod generate;
mod script;
mod site;
mod spoiled;

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use lokahi::clock;
use lokahi::egress::policy::AddressPolicy;
use lokahi::egress::resolver::Resolver;
use lokahi::egress::tls::Trust;
use lokahi::files::secrets::Secrets;
use lokahi::model::auth::Auth;
use lokahi::model::check::{Assert, CheckSpec, Every, Method, Timeout};
use lokahi::model::dial::{Close, HttpVersion};
use lokahi::model::id::CheckId;
use lokahi::model::observation::{ErrorClass, Hop, Observation, Outcome};
use lokahi::model::scalar::Scalar;
use lokahi::model::secret::{Piece, SecretUse, Text};
use lokahi::prober::judge::MAX_DETAIL;
use lokahi::prober::probe::{ProbeContext, probe};

use script::Script;
use site::{HOST, Site};

use super::run::{Target, run};
use super::{hash, kind};

const ALONE: &str = "LOKAHI_TEST_FUZZ";
/// How long a probe may take, in milliseconds.
const DEADLINE: i64 = 250;
/// What it may take longer on a machine that has other things to do; and that it waits for the
/// end of a connection.
const LATER: Duration = Duration::from_secs(5);
/// What a probe may hold at once, in KiB: a body of 1 MiB as it comes and as it is unpacked, and
/// what JSON makes of it.
const MEMORY: u64 = 64 * 1024;
/// What a site must not have us say.
const SECRET: &str = "hunter2-\"s3cr3t\"-värde";

#[test]
fn answers() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "fuzz::probe::alone", "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{words}");
    assert!(said.contains("1 passed"), "{said}{words}");
    println!("{said}");
}

#[test]
fn alone() {
    if std::env::var_os(ALONE).is_none() {
        return;
    }
    run(&Target {
        name: "probe",
        ending: "txt",
        seeds: generate::seeds,
        seed: |chance, seeds| match chance.below(3) {
            0 => chance.pick(seeds).clone(),
            _ => generate::script(chance),
        },
        mutate: generate::mutated,
        try_out,
    });
}

/// What is shared by all probes of a thread.
struct Ground {
    runtime: tokio::runtime::Runtime,
    context: ProbeContext,
    keys: site::Keys,
}

impl Ground {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let resolver = Resolver::with_servers(&[], &format!("{HOST} site.test\n"));
        // Wherever a script leads, nobody else is asked.
        let everything = ["0.0.0.0/0", "::/0"];
        let policy = AddressPolicy::parse(&[HOST], &everything, false).unwrap();
        let secrets = Secrets::with_variables(None, |name| {
            (name == "LOKAHI_SECRET_TOK").then(|| SECRET.into())
        });
        let context = ProbeContext::new(Arc::new(resolver), policy, &Trust::native()).unwrap();
        Self {
            runtime,
            context: context.with_secrets(secrets),
            keys: site::Keys::new(),
        }
    }

    fn probe(&self, text: &str) -> Observation {
        self.runtime.block_on(async {
            let site = Site::bind().await;
            let script = Script::read(&text.replace("@site@", &site.name()));
            let spec = spec(&script, &site);
            let id = CheckId(uuid::Uuid::from_u128(7));
            let secrets = SecretUse::of(&"shop".into(), true, Some("shop"));
            let gone = CheckSpec::new(format!("http://{HOST}:1/").parse().unwrap());
            let once = async |spec| probe(&self.context, spec, id, clock::now(), &secrets).await;
            let probed = async {
                let first = once(&spec).await;
                if !spec.reuse_connection {
                    return first;
                }
                laws(&first);
                let second = once(&spec).await;
                // Lets go of what is kept.
                once(&gone).await;
                second
            };
            site.serving(script, &self.keys, probed).await
        })
    }
}

thread_local! {
    static GROUND: Ground = Ground::new();
}

fn try_out(text: &str) -> Vec<u64> {
    GROUND.with(|ground| {
        let (files, memory) = (files(), Memory::begin());
        let observation = ground.probe(text);
        let used = memory.end();
        assert!(used < MEMORY, "{used} KiB for {observation:?}");
        let after = self::files();
        assert!(
            after <= files,
            "{files} files before, {after} after {observation:?}"
        );
        laws(&observation);
        vec![hash(&(
            observation.outcome.name(),
            observation.class.map(ErrorClass::name),
            observation.status / 100,
            observation.degraded,
            observation.certificate_not_after.is_some(),
            kind(&observation.detail),
        ))]
    })
}

/// What holds of every observation.
fn laws(observation: &Observation) {
    let Observation {
        outcome,
        class,
        detail,
        phases,
        status,
        hops,
        ..
    } = observation;
    match outcome {
        Outcome::Up | Outcome::Down => {
            assert_eq!(*class, None, "{observation:?}");
            assert!((100..=599).contains(status), "{observation:?}");
        }
        Outcome::Error => assert!(class.is_some(), "{observation:?}"),
        // A site cannot make the fault ours. That we have no name server is.
        Outcome::Unknown => assert!(
            detail.contains("no name server is set"),
            "a site did that: {observation:?}"
        ),
    }
    let well = *outcome == Outcome::Up && !observation.degraded;
    assert!(well || !detail.is_empty(), "{observation:?}");
    assert!(detail.len() <= MAX_DETAIL, "{observation:?}");
    let strange = detail.chars().find(|c| c.is_control());
    assert_eq!(strange, None, "{observation:?}");
    let quoted = format!("{SECRET:?}");
    for secret in [SECRET, quoted.trim_matches('"'), &encoded()] {
        assert!(!detail.contains(secret), "{observation:?}");
        let mut urls = hops.iter().map(|hop| &hop.url);
        assert!(urls.all(|url| !url.contains(secret)), "{observation:?}");
    }
    assert!(hops.len() != 1 && hops.len() <= Hop::MOST);
    let longest = hops.iter().map(|hop| hop.url.len()).max();
    assert!(longest <= Some(Hop::MAX_URL), "{observation:?}");
    let deadline = Duration::from_millis(DEADLINE.unsigned_abs());
    assert!(phases.total < deadline + LATER, "{observation:?}");
    let parts = phases.dns + phases.connect + phases.tls + phases.write;
    let parts = parts + phases.first_byte + phases.transfer;
    assert!(parts <= phases.total, "{observation:?}");
}

/// What Basic makes of the secret.
fn encoded() -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(format!("ali:{SECRET}"))
}

/// What the check of a script asks and expects.
fn spec(script: &Script, site: &Site) -> CheckSpec {
    let asks = |word: &str| script.asks.iter().any(|asked| asked == word);
    let scheme = if asks("tls") { "https" } else { "http" };
    let every = Every::from_seconds(600).unwrap();
    let secret = |before: &str| {
        Text::new([
            Piece::Plain(before.into()),
            Piece::Secret("tok".parse().unwrap()),
        ])
    };
    let mut spec = CheckSpec {
        every,
        timeout: Timeout::from_milliseconds(DEADLINE, every).unwrap(),
        headers: vec![("x-token".into(), secret("token "))],
        ..CheckSpec::new(format!("{scheme}://{}/", site.name()).parse().unwrap())
    };
    spec.tls.verified = asks("verified");
    spec.http_version = match (asks("h2"), asks("h1")) {
        (true, _) => Some(HttpVersion::V2),
        (false, true) => Some(HttpVersion::V1_1),
        (false, false) => None,
    };
    if asks("head") {
        spec.method = Method::Head;
    }
    if asks("post") {
        spec.method = Method::Post;
        spec.body = secret("form=");
    }
    if asks("basic") {
        spec.auth = Some(Auth::Basic {
            username: "ali".into(),
            password: secret(""),
        });
    }
    spec.redirects.followed = !asks("stay");
    if asks("keep") {
        spec.every = Every::from_seconds(30).unwrap();
        spec.reuse_connection = true;
    }
    if asks("rst") {
        spec.close = Close::Reset;
    }
    let mut assert = Assert::success();
    if asks("text") {
        assert.body_contains = vec!["well".into()];
        assert.body_matches = vec!["(?i)a+l*l (is|was) well\\b".parse().unwrap()];
        assert.header_matches = [("content-type".to_owned(), "^text/".parse().unwrap())].into();
    }
    if asks("json") {
        assert.json = [("a[1].b".parse().unwrap(), Scalar::Integer(7))].into();
    }
    if asks("condition") {
        let said = "response.headers[\"x-said\"]";
        assert.condition = Some(format!(
            "response.json.a[1].b == 7 && {said} == \"well\" && response.status < 300"
        ));
        assert.error_message = Some(format!(
            "\"it said ${{try({said}, \"nothing\")}} and ${{response.body}}\""
        ));
    }
    if asks("warn") {
        spec.warns = vec![Assert {
            condition: Some("length(response.body) < 20".into()),
            certificate_valid_for: Some(Duration::from_secs(86_400)),
            ..Assert::default()
        }];
    }
    spec.asserts = vec![assert];
    spec
}

/// How many descriptors are open.
fn files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The resident memory, from its size at a moment on.
struct Memory(u64);

impl Memory {
    fn begin() -> Self {
        // proc(5): the peak begins anew.
        fs::write("/proc/self/clear_refs", "5").unwrap();
        Self(status_kib("VmRSS:"))
    }

    /// By how many KiB it was larger at most.
    fn end(self) -> u64 {
        status_kib("VmHWM:").saturating_sub(self.0)
    }
}

fn status_kib(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
